"""Several nodes of one chain: another takes over when one fails, and none of another chain is believed."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledger.chain import Chain
from ledger.deploy import deploy
from ledger.signer import LocalSigner
from ledger.signing import sign
from pipeline.errors import Conflict, Unavailable
from tests.chain_fixture import KEY, Node, node, shared_node
from tests.ledger.anchor_world import Anchored
from tests.ledger.fault_world import PublicNode
from tests.ledger.rpc_proxy import ANY, CLIENT_TIMEOUT_S, Proxy
from tests.ledger.test_rpc import answering
from tests.ledger.test_signer import FIELDS
from tests.service import free_port

__all__ = ["node", "shared_node"]


@pytest.fixture
def proxy(node: Node) -> Iterator[Proxy]:
    made = Proxy(lambda: node.port)
    yield made
    made.close()


def chain_of(*urls: str) -> Chain:
    """A client of several nodes."""
    return Chain(",".join(urls), KEY, None, local=False, timeout_s=CLIENT_TIMEOUT_S * 4)


@pytest.mark.parametrize("fault", [fault for fault in ANY if "hang" not in fault])
def test_the_next_node_answers(node: Node, proxy: Proxy, fault: str) -> None:
    chain = chain_of(proxy.url, node.url)
    assert chain.nonce() == 0
    proxy.plan(fault)
    assert chain.nonce() == 0
    assert proxy.counts[fault] == 1
    assert chain.host == f"127.0.0.1:{node.port}"


def test_a_node_that_hangs_is_left(node: Node, proxy: Proxy) -> None:
    chain = Chain(f"{proxy.url}, {node.url}", KEY, None, local=False, timeout_s=CLIENT_TIMEOUT_S)
    assert chain.chain_id == 31337
    proxy.plan("hang")
    assert chain.newest_block() == 0


def test_when_no_node_answers_it_says_so() -> None:
    chain = chain_of(*(f"http://user:hunter2@127.0.0.1:{free_port()}/hunter2" for _ in range(3)))
    with pytest.raises(Unavailable, match="did not answer") as caught:
        chain.nonce()
    assert "hunter2" not in str(caught.value)


def test_a_refusal_is_an_answer(shared_node: Node) -> None:
    """A node that knows why it refuses speaks for all: the others are not asked."""
    refusal = b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "insufficient funds"}}'
    chain_id = b'{"jsonrpc": "2.0", "id": 1, "result": "0x7a69"}'
    with ExitStack() as stack:
        told = [stack.enter_context(answering(lambda body: (200, chain_id if b"chainId" in body else refusal)))
                for _ in range(2)]  # fmt: skip
        chain = chain_of(*(f"http://{one.host}" for one, _ in told))
        with pytest.raises(Unavailable, match="send some of its coin"):
            chain.send(sign(FIELDS, "", LocalSigner(KEY)).raw)
        assert [asked for _, asked in told] == [["eth_chainId", "eth_sendRawTransaction"], []]


def test_nodes_of_different_chains_are_named(node: Node, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = PublicNode(tmp_path / "other").start()
    try:
        chain = chain_of(node.url, other.url)
        assert chain.chain_id == 31337
        chain.rotate()
        with pytest.raises(
            Conflict, match=rf"127.0.0.1:{node.port} serves 31337, 127.0.0.1:{other.port} serves 424242"
        ):
            chain.nonce()
    finally:
        other.stop()


def test_anchoring_goes_on_with_the_other_node(node: Node, proxy: Proxy, tmp_path: Path) -> None:
    anchored = Anchored.make(tmp_path / "world", node)
    node.funded()
    contract = deploy(node.url, KEY)
    anchored.grow(2)
    chain = Chain(f"{proxy.url},{node.url}", KEY, contract, local=False, timeout_s=CLIENT_TIMEOUT_S)
    proxy.plan(None, None, "cut", "cut", "cut")
    assert anchored.anchorer(chain).flush()
    assert len(anchored.anchors()) == 2
