"""The outbox: what was signed is never lost or replaced, and one holder of the lease writes."""

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Conflict, Unavailable
from store.database import Database, now_text
from store.outbox import Outbox, Transaction
from store.schema import transactions
from tests.databases import give_tables
from tests.forks import FORKS

CHAIN, SENDER, CONTRACT = 31337, "0x" + "Aa" * 20, "0x" + "Cc" * 20
LEASE = "anchor:test"
BLOCK = "0x" + "bb" * 32


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return opened(tmp_path)


def opened(folder: Path) -> Outbox:
    """The outbox in this folder, as a process that starts finds it."""
    database = Database(f"sqlite:///{folder}/capture.db")
    give_tables(database)
    return Outbox(database)


def store(outbox: Outbox, nonce: int, fence: int | None = None, **other: Any) -> Transaction:
    """Store a transaction whose values follow from its nonce."""
    if fence is None:
        fence = outbox.take_lease(LEASE, "test", 10)
        assert fence
    values = {
        "chain_id": CHAIN, "sender": SENDER, "nonce": nonce, "contract": CONTRACT, "size": nonce * 10,
        "root": bytes([nonce]) * 32, "hash": f"0x{nonce:064x}", "raw": b"raw %d" % nonce,
        "gas": 1000, "local": False,
    }  # fmt: skip
    return outbox.store(LEASE, fence, **{**values, **other})


def nonces(sent: list[Transaction]) -> list[int]:
    """Their nonces."""
    return [transaction.nonce for transaction in sent]


def test_what_was_stored_is_there_after_a_restart(outbox: Outbox, tmp_path: Path) -> None:
    stored = store(outbox, 1)
    assert (stored.state, stored.block, stored.block_time) == ("signed", None, None)
    assert opened(tmp_path).open(CHAIN, SENDER, 0) == [stored]
    assert stored.raw == b"raw 1"
    assert stored.root == b"\1" * 32


def test_the_same_again_changes_nothing(outbox: Outbox) -> None:
    store(outbox, 1)
    outbox.mark_included("0x" + f"{1:064x}", 7, BLOCK, 1_700_000_000, 900)
    again = store(outbox, 1)
    assert (again.state, again.block) == ("included", 7)
    assert len(outbox.open(CHAIN, SENDER, 0)) == 1


def test_a_nonce_is_taken_once(outbox: Outbox) -> None:
    store(outbox, 1)
    with pytest.raises(Conflict, match="is taken by 0x0"):
        store(outbox, 1, hash="0x" + "ee" * 32)
    store(outbox, 1, hash="0x" + "dd" * 32, chain_id=1)  # other chains and accounts count for themselves
    store(outbox, 1, hash="0x" + "bb" * 32, sender="0x" + "Bb" * 20)
    assert nonces(outbox.open(CHAIN, SENDER, 0)) == [1]


def test_what_is_open_comes_in_the_order_of_nonces(outbox: Outbox) -> None:
    for nonce in (3, 0, 2, 1):
        store(outbox, nonce)
    assert nonces(outbox.open(CHAIN, SENDER, 4)) == [0, 1, 2, 3]
    outbox.mark_sent(f"0x{0:064x}")
    outbox.mark_included(f"0x{1:064x}", 5, BLOCK, 50, 900)
    outbox.mark_reverted(f"0x{2:064x}")
    assert nonces(outbox.open(CHAIN, SENDER, 4)) == [0, 3]
    # A chain that counts from 1 again has lost what it included and refused from there on.
    assert nonces(outbox.open(CHAIN, SENDER, 1)) == [0, 1, 2, 3]
    assert nonces(outbox.open(CHAIN, SENDER, 2)) == [0, 2, 3]
    assert outbox.open(1, SENDER, 0) == outbox.open(CHAIN, CONTRACT, 0) == []


def test_marks_keep_the_last_word(outbox: Outbox) -> None:
    transaction = store(outbox, 1)
    outbox.mark_included(transaction.hash, 5, BLOCK, 50, 900)
    outbox.mark_sent(transaction.hash)
    (found,) = outbox.open(CHAIN, SENDER, 0)
    assert (found.state, found.block, found.block_time) == ("included", 5, 50)
    outbox.mark_included(transaction.hash, 6, BLOCK, 60, 900)  # after a reorganisation of the chain
    (found,) = outbox.open(CHAIN, SENDER, 0)
    assert (found.block, found.block_time) == (6, 60)


def test_the_newest_is_the_largest_included_append(outbox: Outbox) -> None:
    for nonce in range(4):
        store(outbox, nonce)
    assert outbox.newest(CHAIN, CONTRACT) is None
    outbox.mark_included(f"0x{0:064x}", 1, BLOCK, 10, 900)
    assert outbox.newest(CHAIN, CONTRACT) is None  # the deployment appends nothing
    outbox.mark_included(f"0x{2:064x}", 3, BLOCK, 30, 900)
    outbox.mark_included(f"0x{1:064x}", 2, BLOCK, 20, 900)
    outbox.mark_sent(f"0x{3:064x}")
    newest = outbox.newest(CHAIN, CONTRACT)
    assert newest
    assert (newest.nonce, newest.size, newest.block) == (2, 20, 3)
    assert outbox.newest(CHAIN, SENDER) is None


def test_one_holds_the_lease(outbox: Outbox) -> None:
    first = outbox.take_lease(LEASE, "a", 10)
    assert first == 1
    assert outbox.take_lease(LEASE, "b", 10) is None
    assert outbox.take_lease("another", "b", 10) == 1
    outbox.release_lease(LEASE, first)
    assert outbox.take_lease(LEASE, "b", 10) == 2


def test_a_lease_runs_out_and_can_be_renewed(outbox: Outbox) -> None:
    fence = outbox.take_lease(LEASE, "a", 0.05)
    assert fence
    assert outbox.renew_lease(LEASE, fence, 0.3)
    time.sleep(0.1)
    assert outbox.take_lease(LEASE, "b", 10) is None
    time.sleep(0.3)
    assert outbox.take_lease(LEASE, "b", 10) == fence + 1
    assert not outbox.renew_lease(LEASE, fence, 10)
    outbox.release_lease(LEASE, fence)  # which is not ours any more
    assert outbox.take_lease(LEASE, "c", 10) is None


def test_who_lost_the_lease_cannot_store(outbox: Outbox) -> None:
    """The same name again is another life of it: the old one may still be running."""
    old = outbox.take_lease(LEASE, "a", 10)
    new = outbox.take_lease(LEASE, "a", 10)
    assert old
    assert new == old + 1
    with pytest.raises(Unavailable, match="the lease anchor:test: a has it now"):
        store(outbox, 1, fence=old)
    assert outbox.open(CHAIN, SENDER, 0) == []
    store(outbox, 1, fence=new)
    with pytest.raises(Unavailable, match="nobody has it"):
        outbox.store(
            "unknown",
            1,
            chain_id=1,
            sender="",
            nonce=1,
            contract="",
            size=1,
            root=b"",
            hash="",
            raw=b"",
            gas=0,
            local=False,
        )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["take", "renew", "release"])), max_size=12))
def test_a_fence_never_falls_and_never_repeats(steps: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outbox = opened(Path(folder))
        held: dict[str, int] = {}
        given_out: list[int] = []
        for holder, step in steps:
            if step == "take" and (fence := outbox.take_lease(LEASE, holder, 60)):
                given_out.append(fence)
                held[holder] = fence
            elif step == "renew" and holder in held:
                assert outbox.renew_lease(LEASE, held[holder], 60) == (held[holder] == given_out[-1])
            elif step == "release" and holder in held:
                outbox.release_lease(LEASE, held[holder])
        assert given_out == sorted(set(given_out))


def _take(folder: str, name: str, answers: Any) -> None:
    outbox = opened(Path(folder))
    answers.put(outbox.take_lease(LEASE, name, 60))


def test_of_many_processes_one_gets_the_lease(tmp_path: Path) -> None:
    opened(tmp_path)
    answers: Any = FORKS.Queue()
    processes = [FORKS.Process(target=_take, args=(str(tmp_path), f"p{number}", answers)) for number in range(3)]
    for process in processes:
        process.start()
    fences = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(fences, key=str) == [1, None, None]


def test_finding_what_is_not_on_the_chain_takes_as_long_however_much_is(outbox: Outbox) -> None:
    """It is asked at every flush, and what was signed stays for ever."""
    few = _steps_of_open(outbox, 0, 100)
    assert _steps_of_open(outbox, 100, 3000) <= 2 * few


def _steps_of_open(outbox: Outbox, start: int, end: int) -> int:
    """Hundreds of SQLite's own steps, when all up to `end` is final but for the last two."""
    row = {"chain_id": CHAIN, "sender": SENDER, "contract": CONTRACT, "root": bytes(32), "raw": b"", "gas": 1,
           "local": False, "created_at": now_text()}  # fmt: skip
    rows = [row | {"nonce": at, "size": at + 1, "hash": hex(at), "state": "final"} for at in range(start, end)]
    steps, counting = [0], []

    def count() -> int:
        steps[0] += 1
        return 0

    with outbox._database.write() as connection:
        connection.execute(transactions.insert(), rows)
        newest = transactions.c.nonce >= end - 2
        connection.execute(transactions.update().where(newest).values(state="sent"))
        connection.execute(transactions.update().where(~newest).values(state="final"))
    with outbox._database.read() as connection:  # the pool's only one, which is used again
        counting.append(connection.connection.dbapi_connection)
        counting[0].set_progress_handler(count, 10)  # type: ignore[union-attr]
    assert nonces(outbox.open(CHAIN, SENDER, end)) == [end - 2, end - 1]
    counting[0].set_progress_handler(None, 10)  # type: ignore[union-attr]
    assert steps[0], "nothing was counted"
    return steps[0]
