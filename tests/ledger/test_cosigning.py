"""The log asks its witnesses: over real sockets, with witnesses that are honest, behind, dead, slow, or lie."""

import logging
import socket
import time
from pathlib import Path

import pytest

from ledger.checkpoint import parse, verify
from ledger.cosignature import cosigned_at
from ledger.cosigning import Cosigning, Witness, ask
from ledger.sequence import sequence
from pipeline.errors import Rejected, Unavailable
from tests.ledger.log_world import World, signer
from tests.ledger.witness_world import cosigner, liar, witness
from tests.service import free_port


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


def grow(world: World, count: int) -> int:
    newest = world.log.newest()
    world.seal_many(count, f"{newest}-")
    sequence(world.log, world.signer, 1000)
    newest = world.log.newest()
    assert newest
    return newest[0]


def look(cosigning: Cosigning) -> int:
    """One look, with the calls that it makes; how many these are."""
    calls = cosigning.look()
    for call in calls:
        call.join(20)
    return len(calls)


def cosigners(note: str) -> list[str]:
    return [signature.name for signature in parse(note).signatures[1:]]


def test_every_witness_cosigns_the_newest_checkpoint_once(world: World, tmp_path: Path) -> None:
    with witness(tmp_path / "w1", "w1") as one, witness(tmp_path / "w2", "w2") as two:
        cosigning = Cosigning([one, two], world.log)
        assert look(cosigning) == 0  # no checkpoint yet
        for count in (3, 300, 1):
            size = grow(world, count)
            assert [look(cosigning), look(cosigning)] == [2, 0]
            note = world.log.newest_checkpoint()
            assert verify(note, str(world.signer.vkey)).size == size
            assert set(cosigners(note)) == {"witness.example/w1", "witness.example/w2"}
            for who in (one, two):
                assert cosigned_at(parse(note), who.key) <= time.time()
        assert world.log.checkpoint(3) == world.log.checkpoint(3)
        assert len(cosigners(world.log.checkpoint(3))) == 2


def test_a_checkpoint_without_cosignatures_is_served_and_the_newest_with_one_is_remembered(
    world: World, tmp_path: Path
) -> None:
    with pytest.raises(LookupError, match="no witness has cosigned"):
        world.log.witnessed_checkpoint()
    with witness(tmp_path / "w1", "w1") as one:
        grow(world, 3)
        look(Cosigning([one], world.log))
        grow(world, 2)
    assert cosigners(world.log.newest_checkpoint()) == []
    assert world.log.witnessed_checkpoint() == world.log.checkpoint(3)
    assert cosigners(world.log.checkpoint(3)) == ["witness.example/w1"]


def test_after_a_restart_the_witness_tells_what_it_holds(world: World, tmp_path: Path) -> None:
    with witness(tmp_path / "w1", "w1") as one:
        grow(world, 5)
        look(Cosigning([one], world.log))
        grow(world, 4)
        assert look(Cosigning([one], world.log)) == 1
        assert cosigners(world.log.checkpoint(9)) == ["witness.example/w1"]
        look(Cosigning([one], world.log))  # again after a restart: the first line stays


def test_a_witness_that_saw_more_than_we_have_is_not_believed_nor_followed(world: World, tmp_path: Path) -> None:
    """As after the restore of an old backup, or while another process is ahead of us."""
    with witness(tmp_path / "w1", "w1") as one:
        grow(world, 5)
        older = world.log.newest_checkpoint()
        grow(world, 4)
        ask(one, world.log.newest_checkpoint(), 0, world.log)
        with pytest.raises(Unavailable, match="holds 9 leaves and was asked about 5"):
            ask(one, older, 0, world.log)


def test_a_fork_of_ours_is_refused(world: World, tmp_path: Path) -> None:
    """Two logs under one key: what happens when the database is set back and goes on."""
    (tmp_path / "fork").mkdir()
    fork = World.make(tmp_path / "fork")
    with witness(tmp_path / "w1", "w1") as one:
        grow(world, 5)
        ask(one, world.log.newest_checkpoint(), 0, world.log)
        fork.seal_many(5, "other")
        sequence(fork.log, fork.signer, 100)
        with pytest.raises(
            Rejected, match=r"refuses 5 leaves after 5 with 409: .* another checkpoint of the same size"
        ):
            ask(one, fork.log.newest_checkpoint(), 5, fork.log)
        fork.seal_many(5, "more")
        sequence(fork.log, fork.signer, 100)
        with pytest.raises(Rejected, match=r"refuses 10 leaves after 5 with 422: .* no beginning of our log"):
            ask(one, fork.log.newest_checkpoint(), 5, fork.log)


def test_a_witness_that_does_not_know_us_says_so(world: World, tmp_path: Path) -> None:
    grow(world, 1)
    with (
        witness(tmp_path / "w1", "w1", logs=[]) as one,
        pytest.raises(Rejected, match="404: it does not know our log: give its operator our vkey"),
    ):
        ask(one, world.log.newest_checkpoint(), 0, world.log)


def test_lies_are_not_stored(world: World) -> None:
    grow(world, 3)
    note = world.log.newest_checkpoint()
    other = signer().sign(3, bytes(32))
    with liar("w1") as (told, one):
        for status, media_type, body, reason in (
            (200, "text/plain", cosigner("w2").cosign(parse(note).text, 1), "no cosignature by witness.example/w1"),
            (200, "text/plain", cosigner("w1").cosign(parse(other).text, 1), "does not belong"),
            (200, "text/plain", cosigner("w1").cosign(parse(note).text, 2**62), "a time to come"),
            (200, "text/plain", "", "newline"),
            (200, "image/png", "\udcff", "no text"),
            (201, "text/plain", cosigner("w1").cosign(parse(note).text, 1), "with 201"),
            (409, "text/plain", "2\n", "without the size"),
            (409, "text/x.tlog.size", "2", "without the size"),
            (409, "text/x.tlog.size", "-2\n", "without the size"),
            (409, "text/x.tlog.size", "99999999999999999999\n", "without the size"),
            (409, "text/x.tlog.size", "2\n", "another checkpoint of the same size"),
            (500, "text/html", "<h1>Oops \udcff\n", "with 500: '<h1>Oops"),
            (302, "text/plain", "", "with 302"),
        ):
            told.status, told.media_type, told.body = status, media_type, body.encode(errors="surrogateescape")
            told.location = "http://127.0.0.1:1/elsewhere" if status == 302 else ""
            with pytest.raises(Rejected, match=reason):
                ask(one, note, 0, world.log)
        told.status, told.media_type, told.body = 409, "text/x.tlog.size", b"4\n"
        with pytest.raises(Unavailable, match="holds 4 leaves"):
            ask(one, note, 0, world.log)
        told.status, told.body = 200, b"x" * 300_000
        with pytest.raises(Unavailable, match="longer than"):
            ask(one, note, 0, world.log)
    assert world.log.newest_checkpoint() == note


def test_the_dead_and_the_slow_disturb_nobody(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ledger.cosigning.TIMEOUT_S", 0.5)
    caplog.set_level(logging.INFO)
    size = grow(world, 3)
    port = free_port()
    dead = Witness.parse(f"http://127.0.0.1:{port}", str(cosigner("dead").vkey))
    with socket.create_server(("127.0.0.1", 0)) as silent, witness(tmp_path / "w", "alive") as alive:
        slow = Witness.parse(f"http://127.0.0.1:{silent.getsockname()[1]}", str(cosigner("slow").vkey))
        cosigning = Cosigning([dead, slow, alive], world.log)
        began = time.monotonic()
        calls = cosigning.look()
        assert time.monotonic() - began < 0.2  # whoever looks does not wait
        calls[2].join(5)
        assert cosigners(world.log.checkpoint(size)) == ["witness.example/alive"]
        assert cosigning.look() == []  # the slow one is busy, the dead one has a pause
        for call in calls:
            call.join(5)
    waits = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(waits) == 2
    assert "dead" in "".join(waits)
    assert str(port) in "".join(waits)


def test_a_witness_that_comes_back_is_asked_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ledger.cosigning.LOOK_S", 0.01)
    caplog.set_level(logging.INFO)
    grow(world, 3)
    with liar("w1") as (told, one):
        told.status = 503
        cosigning = Cosigning([one], world.log)
        end = time.monotonic() + 20
        while len(told.asked) < 3 and time.monotonic() < end:
            look(cosigning)
        told.status, told.body = 200, cosigner("w1").cosign(parse(world.log.newest_checkpoint()).text, 1).encode()
        while not cosigners(world.log.newest_checkpoint()) and time.monotonic() < end:
            look(cosigning)
    assert cosigners(world.log.newest_checkpoint()) == ["witness.example/w1"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]  # not one line a try


def test_a_logs_key_is_no_witness() -> None:
    with pytest.raises(Rejected, match="is a log's"):
        Witness.parse("https://witness.example", str(signer().vkey))
    assert Witness.parse("https://witness.example/", str(cosigner("w").vkey)).url == "https://witness.example"
