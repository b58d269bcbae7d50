"""What must hold after whatever happened: no leaf lost, none twice, a tree that only grows, true anchors, no gaps."""

import json
from typing import Any

import sqlalchemy as sa

from ledger.chain import Chain, Head
from ledger.receipt import receipt
from ledger.sequence import resume
from ledger.tree import consistency_proof, verify_consistency
from ledger.verify_door import verify
from pipeline.errors import Unavailable
from store.schema import checkpoints, facts, log_leaves
from tests.chain_fixture import KEY
from tests.ledger.anchor_world import Anchored
from tests.ledger.log_world import TERMS

IN_A_BLOCK = {"included", "final"}


class Violation(AssertionError):
    """An invariant that did not hold."""


def need(holds: bool, sentence: str) -> None:
    """Raise Violation unless it holds."""
    if not holds:
        raise Violation(sentence)


def _head(chain: Chain) -> Head | None:
    """What the contract holds; asked again where a block came in between, whose coming takes the older state away."""
    try:
        return chain.head()
    except Unavailable:
        return chain.head()


def check_now(anchored: Anchored, contract: str | None, seen: dict[str, object]) -> None:
    """At any moment: the contract holds a checkpoint of ours, and no fact that was ever seen has changed."""
    head = _head(_chain(anchored, contract))
    if head and head.size:
        need(anchored.world.log.root_at(head.size) == head.root, "the contract holds a root that the log never had")
    with anchored.world.database.read() as connection:
        written = connection.execute(sa.select(facts.c.capture_id, facts.c.name, facts.c.value)).all()
    now: dict[str, object] = {f"{capture}/{name}": value for capture, name, value in written}
    need(len(now) == len(written), "a capture has the same fact twice")
    need(seen.items() <= now.items(), "a fact was lost or changed")
    early = [key for key, value in now.items() if '"local":false' in str(value) and '"included"' in str(value)]
    need(not early, f"facts were written of what may be taken back: {early}")
    seen |= now


def check_end(anchored: Anchored, contract: str | None) -> None:
    """When all is well again, everything is anchored once, in order, and provable."""
    _check_log(anchored)
    _check_chain(anchored, contract)
    _check_nonces(anchored, contract)
    _check_receipts(anchored, contract)


def _check_log(anchored: Anchored) -> None:
    world = anchored.world
    size, root = resume(world.log, world.signer)  # the tiles give the root that was signed
    with world.database.read() as connection:
        sealed = set(connection.execute(sa.select(facts.c.capture_id).where(facts.c.name == "leaf")).scalars())
        placed = connection.execute(sa.select(log_leaves).order_by(log_leaves.c.position)).all()
        sizes = list(connection.execute(sa.select(checkpoints.c.size).order_by("size")).scalars())
    need({row.capture_id for row in placed} == sealed, "a leaf was lost")
    need([row.position for row in placed] == list(range(size)), "a leaf has no place, or two have the same")
    tile = b"".join(world.log.tile(0, number) for number in range((size + 255) // 256))
    need(tile == b"".join(bytes(row.digest) for row in placed), "the tiles hold other leaves than were sealed")
    for old in sizes:
        verify_consistency(old, size, consistency_proof(old, size, world.log), world.log.root_at(old), root)


def _check_chain(anchored: Anchored, contract: str | None) -> None:
    chain = _chain(anchored, contract)
    head = _head(chain)
    need(bool(head) and (head.size, head.root) == anchored.world.log.newest(), "the contract has not the newest root")  # type: ignore[union-attr]
    query = {"address": chain.contract, "fromBlock": "0x0", "toBlock": "latest"}
    events = [event for event in anchored.node.ask("eth_getLogs", query)["result"] if len(event["topics"]) == 2]
    appended = [(int(event["topics"][1], 16), event["data"]) for event in events]
    need([size for size, _ in appended] == sorted({size for size, _ in appended}), "the tree on the chain shrank")
    known = {size: "0x" + anchored.world.log.root_at(size).hex() for size, _ in appended}
    need(dict(appended) == known, "the chain has a root that is not the log's")


def _check_nonces(anchored: Anchored, contract: str | None) -> None:
    sent, chain = anchored.outbox.open(*_account(anchored, contract), 0), _chain(anchored, contract)
    first = 0 if contract is None else 1  # the operator's deployment
    taken = [transaction.nonce for transaction in sent if transaction.state in IN_A_BLOCK]
    need(taken == list(range(first, chain.nonce())), f"nonces {taken} are not {first} to {chain.nonce()}")
    others = {transaction.state for transaction in sent} - IN_A_BLOCK
    need(others <= {"replaced"}, f"transactions were left in the states {others}")
    need({transaction.nonce for transaction in sent} == set(taken), "a nonce was signed for and never used")


def _check_receipts(anchored: Anchored, contract: str | None) -> None:
    anchors = anchored.anchors()
    need(anchored.written() == set(anchors), "a capture without its anchor")
    newest = anchored.world.log.newest()
    need(newest is not None and len(anchors) == newest[0], "a capture that is not anchored")
    address = _chain(anchored, contract).contract
    for name in {anchor.transaction: name for name, anchor in anchors.items()}.values():
        document = receipt(anchored.world.get(name), anchored.world.log, TERMS)
        steps = verify(json.dumps(document).encode(), name.encode(), rpc=anchored.node.url, contract=address)
        failed = [f"{step.name}: {step.sentence}" for step in steps if step.result == "failed"]
        passed = {step.name for step in steps if step.result == "passed"}
        need(not failed and "chain" in passed, f"the receipt of {name} does not verify: {failed or steps}")


def _account(anchored: Anchored, contract: str | None) -> tuple[int, str]:
    chain = _chain(anchored, contract)
    return chain.chain_id, chain.sender


def _chain(anchored: Anchored, contract: str | None) -> Chain:
    """A client of our own, past the proxy."""
    chain: Any = anchored.node.chain(KEY, contract, local=contract is None)
    return chain  # type: ignore[no-any-return]
