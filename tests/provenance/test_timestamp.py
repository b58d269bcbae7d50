"""Time-stamps by a real authority of our own, which answers, or does not, or answers wrongly."""

import hashlib
import io
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from c2pa import Builder, C2paBuilderIntent, C2paSigningAlg, Context, Signer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from pipeline.errors import Unavailable
from provenance import timestamp
from provenance.inspect import inspect
from provenance.keyfiles import LocalKey
from provenance.keys import Identity
from provenance.manifest import sign
from provenance.reader import offline_settings
from provenance.timestamp import relayed
from provenance.trust import TrustLists
from tests.photos import jpeg
from tests.provenance.authority import Authority, Mood, Party, issue
from tests.provenance.orders import FORMATS, RIGHTS, order_for, photo_of
from tests.provenance.test_judges import NO_REVOCATION, failures, judged, verdict
from tests.service import free_port
from wiring import tsa_post

BAD: tuple[Mood, ...] = tuple(mood for mood in get_args(Mood) if mood != "up")
DIGEST = hashlib.sha256(b"a manifest store").digest()
PATIENCE_S = 10.0  # where an answer is to come: the machine may be busy
TIMEOUT_S = 0.5  # where none is: a quarter of the real one


@pytest.fixture(scope="module")
def responder() -> Iterator[Authority]:
    responder = Authority()
    yield responder
    responder.close()


@pytest.fixture
def authority(responder: Authority) -> Iterator[timestamp.Authority]:
    """How we ask the responder, which is well when a test begins."""
    responder.mood = "up"
    yield ours(responder)
    responder.mood = "up"


def ours(responder: Authority, root: Party | None = None) -> timestamp.Authority:
    roots = ((root or responder.root).certificate,)
    return timestamp.Authority(tsa_post(responder.url, PATIENCE_S), roots, PATIENCE_S)


def test_a_stamp_is_over_the_digest_and_of_now(responder: Authority, authority: timestamp.Authority) -> None:
    stamp = authority.stamp(DIGEST)
    assert stamp.sha256 == DIGEST
    assert abs((datetime.now(UTC) - stamp.time).total_seconds()) < 5
    assert (stamp.authority, stamp.trusted) == ("CN=Time-stamping unit,O=Tests", True)


def test_openssl_agrees(responder: Authority, authority: timestamp.Authority, tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl here")
    stamp = authority.stamp(DIGEST)
    (tmp_path / "reply").write_bytes(stamp.reply)
    (tmp_path / "root.pem").write_text(responder.root_pem)
    for digest, agrees in ((stamp.sha256.hex(), True), ("00" * 32, False)):
        command = ["openssl", "ts", "-verify", "-digest", digest, "-in", "reply", "-CAfile", "root.pem"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (run.returncode == 0) == agrees, run.stderr


@pytest.mark.parametrize("mood", BAD)
def test_nothing_but_a_stamp_that_holds_is_taken(
    responder: Authority, authority: timestamp.Authority, mood: Mood
) -> None:
    responder.mood = mood
    began = time.monotonic()
    with pytest.raises(Unavailable, match="the time-stamping authority") as told:
        replace(authority, timeout_s=TIMEOUT_S).stamp(DIGEST)
    assert time.monotonic() - began < TIMEOUT_S + 1
    assert len(str(told.value)) < 300 and "ErrorStack" not in str(told.value)


def test_another_root_is_not_the_authoritys(responder: Authority, authority: timestamp.Authority) -> None:
    stranger = issue("Time-stamping root", None, None)
    with pytest.raises(Unavailable, match="does not hold"):
        ours(responder, stranger).stamp(DIGEST)


def test_without_roots_of_ours_its_own_is_taken_and_that_is_told(
    responder: Authority, authority: timestamp.Authority
) -> None:
    assert replace(authority, roots=()).stamp(DIGEST).trusted is False
    responder.mood = "wrong signature"
    with pytest.raises(Unavailable, match="does not hold"):
        replace(authority, roots=()).stamp(DIGEST)


def test_a_reply_without_its_root_needs_one_from_the_operator(
    responder: Authority, authority: timestamp.Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "brings_root", False)
    assert authority.stamp(DIGEST).trusted
    with pytest.raises(Unavailable, match="CAPTURE_TSA_ROOTS"):
        replace(authority, roots=()).stamp(DIGEST)


def test_roots_are_read_from_a_file(responder: Authority) -> None:
    assert timestamp.read_roots(responder.root_pem.encode() * 2) == (responder.root.certificate,) * 2
    with pytest.raises(ValueError, match="PEM"):
        timestamp.read_roots(b"nothing")


def signed_with(
    authority: timestamp.Authority, folder: Path, identity: Identity, content: bytes | None = None,
    media_type: str = "image/jpeg",
) -> tuple[Path, str | None]:  # fmt: skip
    photo, signed = folder / "photo", folder / "signed"
    photo.write_bytes(content or photo_of(media_type))
    order = order_for(photo, media_type, identity)
    return signed, sign(photo, signed, order, RIGHTS, identity, authority).timestamp


@pytest.mark.parametrize("media_type", FORMATS)
def test_every_format_carries_a_stamp_that_another_validator_trusts(
    responder: Authority, authority: timestamp.Authority, identity: Identity, tmp_path: Path, media_type: str
) -> None:
    signed, state = signed_with(authority, tmp_path, identity, media_type=media_type)
    assert state == "embedded"
    assert inspect(signed, media_type, identity.root_pem).state == "trusted"
    (tmp_path / "our-tsa.pem").write_text(responder.root_pem)
    lists = TrustLists.load(identity.root_pem, [tmp_path / "our-tsa.pem"])
    sources = [inspect(signed, media_type, trust).time_source for trust in (identity.root_pem, lists)]
    assert sources == ["time_stamp", "trusted_time_stamp"], "an authority is trusted when a list of ours names it"
    report = judged(signed, media_type, identity, tsa_trust_pem=responder.root_pem, strict_conformance=True)
    assert failures(report) == {NO_REVOCATION}
    report = judged(signed, media_type, identity, tsa_trust_pem=responder.root_pem)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


def test_an_authority_named_like_a_list_is_on_none(
    identity: Identity, responder: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an old claim's time-stamp the library says "trusted", and then the name that its maker chose."""
    stranger = Authority()
    monkeypatch.setattr(
        stranger, "leaf", issue("X, trust list: our-tsa", stranger.root, ExtendedKeyUsageOID.TIME_STAMPING)
    )
    signer = Signer.from_callback(identity.sign_es256, C2paSigningAlg.ES256, identity.chain_pem, stranger.url)
    out = io.BytesIO()
    with (
        Context.from_dict(offline_settings(identity.root_pem), signer=signer) as context,
        Builder.from_json('{"claim_version": 1, "claim_generator_info": [{"name": "t"}]}', context) as builder,
    ):
        builder.set_intent(C2paBuilderIntent.EDIT)
        builder.sign("image/jpeg", io.BytesIO(photo_of("image/jpeg")), out)
    stranger.close()
    (tmp_path / "photo").write_bytes(out.getvalue())
    (tmp_path / "our-tsa.pem").write_text(responder.root_pem)
    lists = TrustLists.load(identity.root_pem, [tmp_path / "our-tsa.pem"])
    assert inspect(tmp_path / "photo", "image/jpeg", lists).time_source == "time_stamp"


@pytest.mark.parametrize("mood", [*BAD, "down", "distrusted"])
def test_an_authority_that_fails_stops_no_photo(
    responder: Authority, authority: timestamp.Authority, identity: Identity, tmp_path: Path, mood: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    if mood == "down":
        authority = replace(authority, post=tsa_post(f"http://127.0.0.1:{free_port()}/"))
    elif mood == "distrusted":
        authority = ours(responder, issue("Time-stamping root", None, None))
    else:
        responder.mood = mood  # type: ignore[assignment]
    began = time.monotonic()
    signed, state = signed_with(replace(authority, timeout_s=TIMEOUT_S), tmp_path, identity)
    assert time.monotonic() - began < TIMEOUT_S + 1.5
    assert state == "pending"
    assert inspect(signed, "image/jpeg", identity.root_pem).state == "trusted"
    assert "a time-stamp is pending: " in caplog.text and "ErrorStack" not in caplog.text


def test_a_photo_that_is_signed_beside_is_stamped_too(
    responder: Authority, authority: timestamp.Authority, identity: Identity, tmp_path: Path
) -> None:
    plain, _ = signed_with(authority, tmp_path, identity)
    nobodys = plain.read_bytes().replace(b"c2pa.claim.v2", b"c2pa.claim.v9")
    (tmp_path / "photo").write_bytes(nobodys)
    order = order_for(tmp_path / "photo", "image/jpeg", identity)
    result = sign(tmp_path / "photo", plain, order, RIGHTS, identity, authority)
    assert (result.embedded, result.timestamp) == (False, "embedded")
    report = judged(plain, "image/jpeg", identity, tsa_trust_pem=responder.root_pem, manifest_store=result.store)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


def test_the_signers_own_fault_is_still_told(
    authority: timestamp.Authority, identity: Identity, tmp_path: Path
) -> None:
    strange = replace(identity, _key=LocalKey(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(Unavailable, match="the signer"):
        signed_with(authority, tmp_path, strange)


def test_the_library_reaches_the_authority_through_the_relay_alone(
    responder: Authority, authority: timestamp.Authority, identity: Identity, tmp_path: Path
) -> None:
    asked = responder.asked
    assert signed_with(authority, tmp_path, identity, jpeg(5, 320, 240))[1] == "embedded"
    assert responder.asked == asked + 1


def test_the_relay_answers_nobody_else(responder: Authority, authority: timestamp.Authority) -> None:
    asked = responder.asked
    with relayed(authority) as relay:
        for url, body, status in (
            (relay.url + "x", b"query", 404),
            (relay.url.rpartition("/")[0], b"query", 404),
            (relay.url, b"x" * 1_001, 413),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(url, body, timeout=5)
            refused.value.close()
            assert refused.value.code == status
        assert relay.problem is None
    assert responder.asked == asked
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(relay.url, b"query", timeout=5)


def test_the_tests_authority_is_what_it_says(responder: Authority) -> None:
    usage = responder.leaf.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical and list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
