"""What nodes say of the rights contract without web3: lies about terms, and refusals that are none."""

import json
import socket
from collections.abc import Callable

import pytest
from eth_abi.abi import encode

from ledger.asking import Works, nodes
from ledger.rights import RIGHTS, terms_id, values
from pipeline.errors import Conflict
from pipeline.works import Terms
from tests.ledger.answering import answering

CONTRACT = "0x" + "c0" * 20
ASKED, OTHER = Terms(True, True, fee=5), Terms(True, True, fee=6)
TYPE = RIGHTS.type_of_input("addTerms", 0)


def saying(told: list[Terms]) -> Callable[[socket.socket], None]:
    """A node that gives these terms, one after the other, whatever it is asked for."""

    def answer(connection: socket.socket) -> None:
        result = "0x" + encode([TYPE], [values(told.pop(0))]).hex()
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result})
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body.encode())

    return answer


def test_terms_that_are_not_those_of_their_id_are_not_believed_and_not_remembered() -> None:
    told = [OTHER, ASKED]
    with answering(saying(told)) as url:
        works = Works(nodes(url), CONTRACT)
        with pytest.raises(Conflict, match=terms_id(ASKED).hex()):
            works.terms(terms_id(ASKED))
        assert [works.terms(terms_id(ASKED)) for _ in range(2)] == [ASKED, ASKED]
    assert told == [], "what was found once is not asked again"


def test_a_contract_that_does_not_know_early_licences_has_none() -> None:
    def reverts(connection: socket.socket) -> None:
        error = {"code": 3, "message": "execution reverted", "data": "0x"}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)

    with answering(reverts) as url:
        assert not Works(nodes(url), CONTRACT).is_early(1)


@pytest.mark.parametrize("data", [None, "", "0x", "0xzz", "0x1", "0x12345678", "nonsense"])
def test_what_is_no_error_of_the_contract_has_no_reason(data: str | None) -> None:
    assert RIGHTS.reason(data) is None


def test_an_error_of_the_contract_has_its_values() -> None:
    selector = "0x" + RIGHTS.selector("error", "UnknownTerms").hex()
    assert RIGHTS.reason(selector + "07" * 32) == ("UnknownTerms", (b"\7" * 32,))
    assert RIGHTS.reason(selector + "07") is None, "cut short"
    assert RIGHTS.reason(selector.upper().replace("X", "x") + "07" * 32) == ("UnknownTerms", (b"\7" * 32,))
