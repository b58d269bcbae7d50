"""The witness: which status for what, one history only, and that no kill and no crowd makes it forget."""

import json
import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.checkpoint import CheckpointSigner, parse, signature_line, to_base64, verify
from ledger.cosignature import Cosigner, cosigned_at
from ledger.tree import EMPTY_ROOT, consistency_proof, root
from ledger.witness import SIZE_TYPE, Witness
from pipeline.errors import Conflict
from tests.ledger.log_world import ORIGIN, digest, signer
from tests.ledger.test_tree import STORED, Stored, leaves_of

LOG = signer()
OTHER = CheckpointSigner("log.example/other", Ed25519PrivateKey.from_private_bytes(digest("another log's key")))
COSIGNER = Cosigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(digest("a witness's key")))

FORKED = Stored()
FORKED.append(0, [*leaves_of(4), *leaves_of(600, "fork")])  # as the true one for four leaves, then another


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path, COSIGNER, [LOG.vkey, OTHER.vkey])


def request(old: int, new: int, log: CheckpointSigner = LOG, tree: Stored = STORED) -> bytes:
    """What a client sends to take the witness from `old` to `new` leaves."""
    proof = "".join(f"{to_base64(digest)}\n" for digest in consistency_proof(old, new, tree)) if old <= new else ""
    return f"old {old}\n{proof}\n{log.sign(new, root(new, tree))}".encode()


def test_each_step_of_a_growing_log_is_cosigned(witness: Witness) -> None:
    for old, new in ((0, 3), (3, 256), (256, 257), (257, 257), (257, 700)):
        answer = witness.add_checkpoint(request(old, new))
        assert answer.status == 200, answer
        note = LOG.sign(new, root(new, STORED)) + answer.body
        assert cosigned_at(parse(note), COSIGNER.vkey) > 1_790_000_000
        assert verify(note, str(LOG.vkey)).size == new


def test_an_empty_log_and_the_first_request_of_one_that_is_long(witness: Witness) -> None:
    assert witness.add_checkpoint(request(0, 0)).status == 200
    assert witness.add_checkpoint(request(0, 700)).status == 200
    wrong = f"old 0\n\n{OTHER.sign(0, digest('not empty'))}".encode()
    assert witness.add_checkpoint(wrong).status == 409


def test_another_size_than_the_held_one_is_told(witness: Witness) -> None:
    witness.add_checkpoint(request(0, 5))
    for old, new in ((0, 5), (3, 5), (0, 9), (6, 9), (3, 4)):
        answer = witness.add_checkpoint(request(old, new))
        assert (answer.status, answer.body, answer.media_type) == (409, "5\n", SIZE_TYPE)
    assert witness.add_checkpoint(request(5, 9)).status == 200


def test_a_rollback_is_refused(witness: Witness) -> None:
    witness.add_checkpoint(request(0, 9))
    for old in (0, 4, 9):
        answer = witness.add_checkpoint(request(old, 4))
        assert (answer.status, answer.body) == ((400, answer.body) if old > 4 else (409, "9\n"))
    assert witness.add_checkpoint(request(9, 9)).status == 200


def test_a_fork_is_refused_and_two_roots_of_one_size_are_kept_as_evidence(witness: Witness, tmp_path: Path) -> None:
    witness.add_checkpoint(request(0, 6))
    assert witness.add_checkpoint(request(6, 9, tree=FORKED)).status == 422
    assert list((tmp_path / "forks").iterdir()) == []  # anybody can send a wrong proof: it proves nothing
    for _ in range(2):
        answer = witness.add_checkpoint(request(6, 6, tree=FORKED))
        assert (answer.status, answer.body, answer.media_type) == (409, "6\n", SIZE_TYPE)
    (evidence,) = (tmp_path / "forks").iterdir()
    notes = json.loads(evidence.read_text())
    one, two = (verify(notes[name], str(LOG.vkey)) for name in ("held", "offered"))
    assert one.size == two.size == 6
    assert {one.root, two.root} == {root(6, STORED), root(6, FORKED)}
    assert witness.add_checkpoint(request(6, 9)).status == 200  # the true one goes on


def test_logs_do_not_disturb_each_other(witness: Witness) -> None:
    assert witness.add_checkpoint(request(0, 6)).status == 200
    assert witness.add_checkpoint(request(0, 9, OTHER, FORKED)).status == 200
    assert witness.add_checkpoint(request(6, 7)).status == 200
    assert witness.add_checkpoint(request(9, 10, OTHER, FORKED)).status == 200


def test_unknown_logs_and_keys_are_refused(witness: Witness) -> None:
    stranger = CheckpointSigner("log.example/stranger", Ed25519PrivateKey.generate())
    assert witness.add_checkpoint(request(0, 5, stranger)).status == 404
    thief = CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate())
    assert witness.add_checkpoint(request(0, 5, thief)).status == 403
    torn = request(0, 5).replace(b"\n5\n", b"\n6\n")
    assert witness.add_checkpoint(torn).status == 403
    assert witness.add_checkpoint(request(0, 5)).status == 200


def test_a_log_may_change_its_key_and_strangers_signatures_are_ignored(tmp_path: Path) -> None:
    new = CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate())
    Witness(tmp_path, COSIGNER, [LOG.vkey]).add_checkpoint(request(0, 5))
    witness = Witness(tmp_path, COSIGNER, [LOG.vkey, new.vkey])
    assert witness.add_checkpoint(request(5, 6, new)).status == 200
    junk = signature_line(OTHER.vkey, bytes(64)).encode()
    assert witness.add_checkpoint(request(6, 7) + junk).status == 200
    (held,) = (file.read_text() for file in (tmp_path / "checkpoints").iterdir() if not file.suffix)
    assert held == LOG.sign(7, root(7, STORED))  # nothing of what strangers added


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"old 0",
        b"old 0\n\n",
        b"old -1" + request(0, 3)[5:],
        b"old 00" + request(0, 3)[5:],
        b"old 99999999999999999999" + request(0, 3)[5:],
        b"old 0 " + request(0, 3)[5:],
        b"new 0" + request(0, 3)[5:],
        request(0, 3).replace(b"\n\n", b"\n", 1),
        request(0, 3).replace(b"old 0\n", b"old 0\nAAAA=\n"),
        request(0, 3).replace(b"old 0\n", b"old 0\n\n"),
        request(0, 3).replace(b"old 0\n", b"old 0\n" + b"A" * 43 + b"=\n" + b"A" * 43 + b"=\n" * 64),
        request(0, 3)[:-1],
        request(7, 3),
    ],
    ids=range(15),
)  # fmt: skip
def test_malformed_requests(witness: Witness, body: bytes) -> None:
    answer = witness.add_checkpoint(body)
    assert answer.status == 400, answer
    assert witness.add_checkpoint(request(0, 3)).status == 200


@given(st.binary(max_size=300), st.integers(0, len(request(5, 9)) - 1))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_it_cosign_or_fail(tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int) -> None:
    witness = Witness(tmp_path_factory.mktemp("w"), COSIGNER, [LOG.vkey])
    witness.add_checkpoint(request(0, 5))
    whole = request(5, 9)
    for body in (junk, whole[:at] + junk + whole[at:], whole[:at] + junk, whole[:at]):
        answer = witness.add_checkpoint(body)
        assert answer.status in (400, 403, 404, 409, 422) or body == whole
        assert answer.body


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_of_a_proof_is_accepted(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    witness = Witness(tmp_path_factory.mktemp("w"), COSIGNER, [LOG.vkey])
    old = data.draw(st.integers(1, 699))
    new = data.draw(st.integers(old + 1, 700))
    witness.add_checkpoint(request(0, old))
    proof = bytearray(b"".join(consistency_proof(old, new, STORED)))
    bit = data.draw(st.integers(0, len(proof) * 8 - 1))
    proof[bit // 8] ^= 1 << bit % 8
    lines = "".join(f"{to_base64(bytes(proof[i : i + 32]))}\n" for i in range(0, len(proof), 32))
    body = f"old {old}\n{lines}\n{LOG.sign(new, root(new, STORED))}".encode()
    assert witness.add_checkpoint(body).status == 422
    assert witness.add_checkpoint(request(old, new)).status == 200


def test_a_damaged_memory_stops_it(witness: Witness, tmp_path: Path) -> None:
    witness.add_checkpoint(request(0, 5))
    (file,) = (file for file in (tmp_path / "checkpoints").iterdir() if not file.suffix)
    for damage in (b"", b"\xff", file.read_bytes()[:20]):
        file.write_bytes(damage)
        with pytest.raises(Conflict, match="restore it, or begin anew with a new key"):
            witness.add_checkpoint(request(0, 5))


def test_a_crowd_is_taken_one_after_the_other(tmp_path: Path) -> None:
    """Every request is right by itself; only one history may come of them, whoever is first."""
    trees = [STORED, FORKED]
    answers: list[tuple[int, int]] = []

    def ask(number: int) -> None:
        mine = Witness(tmp_path, COSIGNER, [LOG.vkey])  # of its own: nothing is shared but the folder
        tree = trees[number % 2]
        answers.append((number % 2, mine.add_checkpoint(request(0, 600, tree=tree)).status))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({which for which, status in answers if status == 200}) == 1
    assert sum(status == 200 for _, status in answers) == 1
    assert {status for _, status in answers} == {200, 409}


def _climb(folder: Path, told: "multiprocessing.connection.Connection[int, int]") -> None:
    witness, old = Witness(folder, COSIGNER, [LOG.vkey]), 0
    for new in range(1, 700):
        if witness.add_checkpoint(request(old, new)).status == 200:
            told.send(new)
            old = new


def test_kill_at_any_moment_forgets_nothing_that_was_cosigned(tmp_path: Path) -> None:
    pause = random.Random(5)
    for number in range(12):
        folder = tmp_path / str(number)
        reader, writer = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=_climb, args=(folder, writer))
        process.start()
        writer.close()
        assert reader.poll(20)
        process.join(pause.uniform(0, 0.05))
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        cosigned = 0
        while reader.poll():
            try:
                cosigned = reader.recv()
            except EOFError:
                break
        witness = Witness(folder, COSIGNER, [LOG.vkey])
        held = int(witness.add_checkpoint(request(0, 600, tree=FORKED)).body)
        assert held in (cosigned, cosigned + 1)  # what was written may not have been told any more
        assert witness.add_checkpoint(request(held, 600, tree=FORKED)).status == (422 if held > 4 else 200)
        reader.close()


def test_the_root_of_nothing_is_the_specifications(witness: Witness) -> None:
    assert witness.add_checkpoint(f"old 0\n\n{LOG.sign(0, EMPTY_ROOT)}".encode()).status == 200
