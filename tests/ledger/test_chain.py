"""The client of the chain, on a real node."""

import time
import traceback

import pytest
from web3 import Web3

from ledger.blocks import Included, Reverted
from ledger.chain import LOCAL_MAX_FEE_WEI, Chain
from ledger.contract import ARTIFACT
from ledger.deploy import deploy
from ledger.signing import SignedTransaction
from ledger.tree import EMPTY_ROOT
from pipeline.errors import Conflict, Rejected, Unavailable
from tests.chain_fixture import KEY, Node, node, shared_node
from tests.contracts.brute_force import consistency_proof, mth
from tests.service import free_port

__all__ = ["node", "shared_node"]

OTHER_KEY = bytes(31) + b"\x09"
SECRET_URL = "http://user:hunter2@127.0.0.1:{port}/v3/hunter2-key?token=hunter2"


def deployed(node: Node, key: bytes = KEY) -> Chain:
    """A client whose contract is on the chain: a new one each time."""
    chain = node.chain(key)
    chain.fund_locally()
    signed = chain.sign_deploy(chain.nonce())
    confirm(chain, signed)
    return node.chain(key, signed.contract)


def confirm(chain: Chain, signed: SignedTransaction) -> Included:
    """Send, and wait for the block."""
    chain.send(signed.raw)
    found = chain.wait([signed.hash], 10)
    assert found
    return found


def test_an_address_is_known_before_anything_is_sent(node: Node) -> None:
    chain = node.chain()
    assert chain.chain_id == 31337
    assert chain.nonce() == 0
    assert chain.contract == chain.created_at(0)
    assert chain.head() is None
    chain.fund_locally()
    signed = chain.sign_deploy(0)
    assert chain.head() is None  # signing sends nothing
    confirm(chain, signed)
    assert signed.contract == chain.contract
    head = chain.head()
    assert head
    assert (head.size, head.root, head.time) == (0, EMPTY_ROOT, 0)
    assert chain.writer() == chain.sender


def test_an_append_is_signed_sent_and_included(shared_node: Node) -> None:
    chain = deployed(shared_node)
    signed = chain.sign_append(chain.nonce(), 5, mth(0, 5), [])
    assert chain.inclusion(signed.hash) is None
    before = int(time.time())
    found = confirm(chain, signed)
    receipt = shared_node.ask("eth_getTransactionReceipt", signed.hash)["result"]
    assert found.block == int(receipt["blockNumber"], 16)
    assert found.block_hash == receipt["blockHash"] == chain.block_hash(found.block)
    assert found.gas == int(receipt["gasUsed"], 16)
    assert before <= found.block_time <= time.time()
    head = chain.head()
    assert head
    assert (head.size, head.root, head.time) == (5, mth(0, 5), found.block_time)
    confirm(chain, chain.sign_append(chain.nonce(), 9, mth(0, 9), consistency_proof(5, 9)))


def test_the_hash_is_that_of_the_bytes_and_values_carry_0x(shared_node: Node) -> None:
    chain = deployed(shared_node)
    signed = chain.sign_append(chain.nonce(), 5, mth(0, 5), [])
    assert signed.hash == "0x" + Web3.keccak(signed.raw).hex()
    assert signed == chain.sign_append(signed.nonce, 5, mth(0, 5), [])  # the same bytes each time
    for text, length in ((signed.hash, 66), (signed.contract, 42), (chain.sender, 42)):
        assert text.startswith("0x")
        assert len(text) == length


def test_sending_again_is_success(shared_node: Node) -> None:
    chain = deployed(shared_node)
    signed = chain.sign_append(chain.nonce(), 5, mth(0, 5), [])
    shared_node.ask("evm_setAutomine", False)
    try:
        chain.send(signed.raw)
        chain.send(signed.raw)  # it waits already
        assert chain.inclusion(signed.hash) is None
    finally:
        shared_node.ask("evm_mine")
        shared_node.ask("evm_setAutomine", True)
    chain.send(signed.raw)  # its nonce is used, by itself
    assert chain.inclusion(signed.hash)


def test_a_nonce_that_another_transaction_used_is_a_conflict(shared_node: Node) -> None:
    chain = deployed(shared_node)
    mine = chain.sign_append(chain.nonce(), 5, mth(0, 5), [])
    confirm(chain, chain.sign_append(chain.nonce(), 6, mth(0, 6), []))
    with pytest.raises(Conflict, match=f"is in the place of {mine.hash}: stop the other program"):
        chain.send(mine.raw)


def test_what_the_contract_would_refuse_is_not_signed(shared_node: Node) -> None:
    chain = deployed(shared_node)
    confirm(chain, chain.sign_append(chain.nonce(), 5, mth(0, 5), []))
    before = chain.nonce()
    with pytest.raises(Conflict, match=r"would refuse this: TreeDidNotGrow\(5, 5\)"):
        chain.sign_append(before, 5, mth(0, 5), [])
    with pytest.raises(Conflict, match=r"would refuse this: NotAnExtension\(5, 9\)"):
        chain.sign_append(before, 9, mth(0, 8), consistency_proof(5, 9))
    stranger = shared_node.chain(OTHER_KEY, chain.contract)
    with pytest.raises(Conflict, match=rf"would refuse this: NotTheWriter\({stranger.sender.lower()}\)"):
        stranger.sign_append(0, 9, mth(0, 9), consistency_proof(5, 9))
    assert chain.nonce() == before


def test_what_the_contract_refused_in_a_block_is_said(shared_node: Node) -> None:
    chain = deployed(shared_node)
    nonce = chain.nonce()
    first = chain.sign_append(nonce, 5, mth(0, 5), [])
    second = chain.sign_append(nonce + 1, 5, mth(0, 5), [])
    confirm(chain, first)
    chain.send(second.raw)
    with pytest.raises(Reverted, match=f"refused {second.hash} in block"):
        chain.wait([second.hash], 10)


def test_other_code_at_the_address_is_a_conflict(shared_node: Node) -> None:
    chain = deployed(shared_node)
    code = bytearray.fromhex(ARTIFACT["runtime"][2:])
    code[-1] ^= 1
    shared_node.ask("anvil_setCode", chain.contract, "0x" + code.hex())
    with pytest.raises(Conflict, match="is not this version's log contract"):
        chain.head()
    assert shared_node.chain(OTHER_KEY, "0x" + "11" * 20).head() is None


def test_the_embedded_chain_gives_a_block_the_time_it_had(shared_node: Node) -> None:
    chain = deployed(shared_node)
    future = int(time.time()) + 1000
    lost = chain.sign_append(chain.nonce(), 5, mth(0, 5), [])
    chain.send(lost.raw, future)
    found = chain.wait([lost.hash], 5)
    assert found
    assert found.block_time == future
    # Time never runs backwards, and a block without a time of its own is not later than it must be.
    again = chain.sign_append(chain.nonce(), 6, mth(0, 6), consistency_proof(5, 6))
    assert confirm(chain, again).block_time == future


def test_play_money_is_for_the_embedded_chain_only(shared_node: Node) -> None:
    chain = shared_node.chain(OTHER_KEY, local=False)
    with pytest.raises(Rejected, match=f"send {chain.sender} some of its coin"):
        chain.fund_locally()


def test_without_funds_it_says_whom_to_pay(shared_node: Node) -> None:
    poor = shared_node.chain(bytes(31) + b"\x0a", local=False)
    with pytest.raises(Unavailable, match=f"send some of its coin to {poor.sender}"):
        poor.send(poor.sign_deploy(0).raw)


def test_fees_leave_room_on_a_chain_that_is_not_ours(shared_node: Node) -> None:
    chain = shared_node.funded(OTHER_KEY)
    signed = chain.sign_deploy(chain.nonce())
    base = int(shared_node.ask("eth_getBlockByNumber", "latest", False)["result"]["baseFeePerGas"], 16)
    confirm(chain, signed)
    sent = shared_node.ask("eth_getTransactionByHash", signed.hash)["result"]
    receipt = shared_node.ask("eth_getTransactionReceipt", signed.hash)["result"]
    tip = int(sent["maxPriorityFeePerGas"], 16)
    assert sent["type"] == "0x2"
    assert int(sent["maxFeePerGas"], 16) == 4 * base + tip
    assert int(receipt["gasUsed"], 16) < int(sent["gas"], 16) <= int(receipt["gasUsed"], 16) * 3 // 2
    local = shared_node.chain(KEY)
    raw = local.sign_deploy(local.nonce())
    local.fund_locally()
    confirm(local, raw)
    assert int(shared_node.ask("eth_getTransactionByHash", raw.hash)["result"]["maxFeePerGas"], 16) == LOCAL_MAX_FEE_WEI


def test_deploy_returns_the_address(node: Node) -> None:
    node.funded(KEY)
    first, second = deploy(node.url, KEY), deploy(node.url, KEY)
    assert first != second
    for address in (first, second):
        head = node.chain(KEY, address).head()
        assert head
        assert head.size == 0


def test_a_deployment_in_no_block_says_what_to_look_for(node: Node) -> None:
    chain = node.funded(KEY)
    node.ask("evm_setAutomine", False)
    with pytest.raises(Unavailable, match=f"it will create {chain.created_at(0)}; look for it"):
        deploy(node.url, KEY, wait_s=0.1)


def test_a_node_that_is_gone_is_unavailable(node: Node) -> None:
    chain = deployed(node)
    signed = chain.sign_append(chain.nonce(), 5, mth(0, 5), [])
    node.stop()
    for ask in (chain.nonce, chain.head, chain.fund_locally, lambda: chain.send(signed.raw),
                lambda: chain.inclusion(signed.hash), lambda: chain.sign_append(1, 5, mth(0, 5), [])):  # fmt: skip
        with pytest.raises(Unavailable, match=f"the chain at 127.0.0.1:{node.port} did not answer"):
            ask()


def test_secrets_in_the_address_stay_secret() -> None:
    chain = Chain(SECRET_URL.format(port=free_port()), KEY, None, local=False)
    with pytest.raises(Unavailable) as caught:
        chain.nonce()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in chain.host
