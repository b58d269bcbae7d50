"""What we sign, judged by a validator that shares no code with the library that signs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from encypher_c2pa import telemetry_enabled, verify

from provenance.keys import Identity
from tests.provenance.orders import FORMATS, photo_of, signed_copy

# What the conformance programme asks of a whole product, beyond the specification.
NO_REVOCATION = "com.encypher.conformance.revocationInformationMissing"
NO_TIME_STAMP = "com.encypher.conformance.trustedTimeStampMissing"


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The validator tells nobody what it saw, and keeps what it is told about that out of the tester's home."""
    monkeypatch.setenv("ENCYPHER_C2PA_CONFIG_DIR", str(tmp_path / "validator"))
    monkeypatch.setenv("ENCYPHER_C2PA_TELEMETRY", "off")
    monkeypatch.setenv("ENCYPHER_C2PA_ONLINE", "off")
    yield
    assert not telemetry_enabled()


def judged(file: Path, media_type: str, identity: Identity, **more: Any) -> dict[str, Any]:
    """The other validator's report, with nothing trusted but this identity's root."""
    options: dict[str, Any] = {
        "trust_pem": identity.root_pem,
        "no_default_trust": True,
        "telemetry": False,
        "online": False,
    }
    return dict(verify(file.read_bytes(), media_type, **(options | more)))


def verdict(report: dict[str, Any]) -> tuple[str, str, str]:
    return report["integrity"], report["signature"], report["hard_binding"]


def failures(report: dict[str, Any]) -> set[str]:
    return {status["code"] for status in report["validation_results"]["failure"]}


@pytest.mark.parametrize("media_type", FORMATS)
@pytest.mark.parametrize("times", [1, 2])
def test_another_validator_finds_every_format_whole(
    identity: Identity, tmp_path: Path, media_type: str, times: int
) -> None:
    content = photo_of(media_type)
    for _ in range(times):
        signed, _ = signed_copy(content, media_type, tmp_path, identity)
        content = signed.read_bytes()
    report = judged(signed, media_type, identity)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())
    assert report["trust"]["status"] == "valid_for_supplied_material"


@pytest.mark.parametrize("media_type", FORMATS)
def test_another_validator_agrees_on_what_a_device_vouches_for(
    identity: Identity, tmp_path: Path, media_type: str
) -> None:
    signed, _ = signed_copy(photo_of(media_type), media_type, tmp_path, identity, attested=True)
    report = judged(signed, media_type, identity)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


def test_another_validator_agrees_on_a_manifest_beside_the_photo(identity: Identity, tmp_path: Path) -> None:
    first, _ = signed_copy(photo_of("image/jpeg"), "image/jpeg", tmp_path, identity)
    nobodys = first.read_bytes().replace(b"c2pa.claim.v2", b"c2pa.claim.v9")
    signed, result = signed_copy(nobodys, "image/jpeg", tmp_path, identity)
    assert (result.embedded, signed.read_bytes()) == (False, nobodys)
    report = judged(signed, "image/jpeg", identity, manifest_store=result.store)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


@pytest.mark.parametrize("media_type", FORMATS)
def test_it_sees_a_changed_pixel(identity: Identity, tmp_path: Path, media_type: str) -> None:
    signed, result = signed_copy(photo_of(media_type), media_type, tmp_path, identity)
    content = bytearray(signed.read_bytes())
    start = content.index(result.store[:40])
    end = start + len(result.store)
    at = start // 2 if start > len(content) - end else (end + len(content)) // 2  # the longer part is the pixels
    content[at] ^= 1
    signed.write_bytes(content)
    assert verdict(judged(signed, media_type, identity))[::2] == ("invalid", "mismatch")


def test_what_the_conformance_programme_would_miss(identity: Identity, tmp_path: Path) -> None:
    """A limit that is told and not hidden: no revocation answer is stapled, and no time-stamp without an authority."""
    signed, _ = signed_copy(photo_of("image/jpeg"), "image/jpeg", tmp_path, identity)
    assert failures(judged(signed, "image/jpeg", identity, strict_conformance=True)) == {NO_REVOCATION, NO_TIME_STAMP}


def test_it_trusts_only_our_root(identity: Identity, tmp_path: Path) -> None:
    signed, _ = signed_copy(photo_of("image/jpeg"), "image/jpeg", tmp_path, identity)
    stranger = Identity.load_or_make(tmp_path / "stranger")
    report = judged(signed, "image/jpeg", stranger)
    assert report["integrity"] == "valid"
    assert report["trust"]["status"] == "not_valid_for_supplied_material"
