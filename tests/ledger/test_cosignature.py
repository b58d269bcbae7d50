"""Cosignatures: a known answer of another implementation, and everything that is refused."""

import stat
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import COSIGNATURE, VerifierKey, parse, signature_line, verify
from ledger.cosignature import MAX_AHEAD_S, Cosigner, cosignature, cosigned_at
from pipeline.errors import Conflict, Rejected
from tests.ledger.log_world import digest, signer

# Made by transparency-dev's Go library (formats v0.1.1, NewSignerForCosignatureV1) with the log's note by x/mod/sumdb.
LOG_VKEY = "example.com/vector-log+4516a1da+ARGkVJ4QEa2MOOLGBO6i7NVSJ1FQ97tIX+w+Ku0RZ6Em"
WITNESS_SKEY = "PRIVATE+KEY+witness.example.com/vector+416f103d+BJEX3xv88eoQIKT4E+GkxZcXaJCYlQfi/GJ3NDFmZIW8"
WITNESS_VKEY = "witness.example.com/vector+416f103d+BK/QmJFVP3SKJOqAMhFxBQPtylo3sjwWibyFDAlZKK8B"
TEXT = "example.com/vector-log\n1234\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"
LOG_LINE = (
    "\u2014 example.com/vector-log "
    "RRah2qlLrSlk6J8DA1HmNewppUM15Quhs5cAIb1KjBsV3otVirJTW8AFVsQtJkTW1Zny7GuoAxZpI6bUPcpM68QOIgE=\n"
)
WITNESS_LINE = (
    "\u2014 witness.example.com/vector QW8QPQAAAABqwLUbDdj7sDNRIVjmjYgqFI6y4UJhPg/UAA8J8wAdqSd3q4PedRhkgXA4xFN/Jg5uWn7Z"
    "kBA+H/UHQs5d9hITdXmQAA==\n"
)
TIME_S = 1791014171

NOTE = signer().sign(7, digest("root"))
COSIGNER = Cosigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(digest("a witness's key")))


def test_the_known_answer(tmp_path: Path) -> None:
    note = f"{TEXT}\n{LOG_LINE}"
    witness = VerifierKey.parse(WITNESS_VKEY)
    assert verify(note, LOG_VKEY).size == 1234
    assert verify(note + WITNESS_LINE, LOG_VKEY).size == 1234
    assert cosigned_at(parse(note + WITNESS_LINE), witness) == TIME_S
    assert cosignature(note, WITNESS_LINE, witness) == WITNESS_LINE
    (tmp_path / "witness.skey").write_text(WITNESS_SKEY)
    (tmp_path / "witness.skey").chmod(0o600)
    cosigner = Cosigner.load_or_make(tmp_path, None)
    assert str(cosigner.vkey) == WITNESS_VKEY
    assert cosigner.cosign(TEXT, TIME_S) == WITNESS_LINE


@given(st.integers(0, 2**62), st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1))
def test_a_cosignature_is_for_one_text_and_one_time(time_s: int, other: str) -> None:
    text = parse(NOTE).text
    line = COSIGNER.cosign(text, time_s)
    note = parse(NOTE + line)
    if time_s <= time.time():
        assert cosigned_at(note, COSIGNER.vkey) == time_s
    else:
        with pytest.raises(Rejected, match="a time to come"):
            cosigned_at(
                parse(NOTE + COSIGNER.cosign(text, int(time.time()) + MAX_AHEAD_S + 60 + time_s)), COSIGNER.vkey
            )
    elsewhere = signer().sign(8, digest(other))
    with pytest.raises(Rejected, match="does not belong to this checkpoint"):
        cosigned_at(parse(elsewhere + line), COSIGNER.vkey)


@given(st.integers(0, 71), st.integers(0, 7))
def test_any_flipped_bit_fails(at: int, bit: int) -> None:
    value = bytearray(parse(NOTE + COSIGNER.cosign(parse(NOTE).text, 1)).signatures[1].value)
    value[at] ^= 1 << bit
    line = signature_line(COSIGNER.vkey, bytes(value))
    with pytest.raises(Rejected, match="does not belong"):
        cosignature(NOTE, line, COSIGNER.vkey)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "end with a newline"),
        ("\n", "no signature line"),
        ("hello\n", "no signature line"),
        (NOTE, "no signature line"),
        (NOTE.split("\n\n")[1], "no cosignature by witness.example/w1"),
        (WITNESS_LINE, "no cosignature by witness.example/w1"),
        (COSIGNER.cosign(parse(NOTE).text, 1).rstrip("\n"), "end with a newline"),
        (signature_line(COSIGNER.vkey, b"\0"), "does not belong"),
        ("\u2014 x " + "A" * 300_000, "over 262144 characters"),
    ],
)
def test_answers_that_are_no_cosignature(answer: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        cosignature(NOTE, answer, COSIGNER.vkey)


def test_a_logs_signature_is_no_cosignature_and_the_other_way_round() -> None:
    log, witness = signer().vkey, COSIGNER.vkey
    with pytest.raises(Rejected, match="is a log's"):
        cosigned_at(parse(NOTE), log)
    with pytest.raises(Rejected, match="is a witness's"):
        verify(NOTE, str(VerifierKey(log.name, log.public, COSIGNATURE)))
    # The same key and name under the other type has another id: nothing of the one can be read as the other.
    assert VerifierKey(witness.name, witness.public).key_id != witness.key_id


def test_unknown_lines_among_the_answers_are_ignored() -> None:
    line = COSIGNER.cosign(parse(NOTE).text, 1)
    assert cosignature(NOTE, WITNESS_LINE + line + LOG_LINE, COSIGNER.vkey) == line


def test_the_key_is_made_once_and_keeps_its_name(tmp_path: Path) -> None:
    first = Cosigner.load_or_make(tmp_path / "w", "witness.example/w2")
    assert str(Cosigner.load_or_make(tmp_path / "w", None).vkey) == str(first.vkey)
    assert (tmp_path / "w/witness.vkey").read_text() == f"{first.vkey}\n"
    assert stat.S_IMODE((tmp_path / "w/witness.skey").stat().st_mode) == 0o600
    with pytest.raises(Rejected, match="a new name needs a new folder"):
        Cosigner.load_or_make(tmp_path / "w", "witness.example/w3")
    (tmp_path / "w/witness.skey").chmod(0o644)
    with pytest.raises(Conflict, match="chmod 600"):
        Cosigner.load_or_make(tmp_path / "w", None)
