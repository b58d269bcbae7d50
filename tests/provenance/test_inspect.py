"""Judging what comes in: other people's files, files of our own that were harmed, and files that ask to be fetched."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import Unavailable
from provenance.inspect import inspect
from provenance.judge import SEVERITY, judge
from provenance.keys import Identity
from provenance.reader import Report
from tests.photos import SHARED, jpeg
from tests.provenance.orders import FORMATS, jpeg_parts, signed_copy

FIXTURES = SHARED / "c2pa"
MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".TIF": "image/tiff",
    ".dng": "image/x-adobe-dng",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".avif": "image/avif",
}
# The words of the fixtures' README → ours.
STATES = {
    "Valid": "valid",
    "Invalid": "invalid",
    "ManifestNotFound": "none",
    "C2paError": "remote_only",
    "Other": "malformed",
}


def fixture_rows() -> list[tuple[str, str]]:
    if not (FIXTURES / "README.md").is_file():
        return []
    return re.findall(r"^\| (\S+\.\w+) \| \d+ \| (\w+) \|", (FIXTURES / "README.md").read_text(), re.MULTILINE)


def fixture(name: str) -> Path:
    if not (FIXTURES / name).is_file():
        pytest.skip(f"{name} is not among the shared fixtures here")
    return FIXTURES / name


@pytest.mark.parametrize(("name", "measured"), fixture_rows())
def test_every_fixture_gets_the_verdict_that_was_measured(identity: Identity, name: str, measured: str) -> None:
    found = inspect(fixture(name), MEDIA_TYPES[Path(name).suffix], identity.root_pem)
    assert found.state == found.worst == STATES[measured]
    assert (found.reason is None) == (found.state == "none")
    assert (found.manifest_count > 0) == (found.signer is not None) == (found.state in ("valid", "invalid"))


def test_the_fixtures_were_there() -> None:
    if not FIXTURES.is_dir():
        pytest.skip("the shared fixtures are not here")
    assert len(fixture_rows()) >= 24


@pytest.mark.parametrize(
    ("name", "signer", "generator", "words"),
    [
        ("nikon-20221019-building.jpeg", "NIKON CORPORATION", "Nikon_Z_9", "certificate had ended"),
        ("rs_ocsp.jpg", "Adobe C2PA (Adobe Inc.)", "Adobe Photoshop", "trust lists"),
        ("adobe-20220124-XCA.jpg", "C2PA Signer (C2PA Test Signing Cert)", "make_test_images", "changed after"),
        ("adobe-20220124-E-sig-CA.jpg", "C2PA Signer (C2PA Test Signing Cert)", "make_test", "signature does not fit"),
    ],
)
def test_the_story_is_told_in_words(identity: Identity, name: str, signer: str, generator: str, words: str) -> None:
    found = inspect(fixture(name), MEDIA_TYPES[Path(name).suffix], identity.root_pem)
    assert found.signer == signer
    assert found.claim_generator is not None and found.claim_generator.startswith(generator)
    assert found.reason is not None and words in found.reason


@pytest.mark.parametrize(
    "name", ["adobe-20220124-XCA.jpg", "adobe-20220124-E-sig-CA.jpg", "nikon-20221019-building.jpeg"]
)
def test_signing_again_does_not_launder(identity: Identity, tmp_path: Path, name: str) -> None:
    signed, _ = signed_copy(fixture(name).read_bytes(), "image/jpeg", tmp_path, identity)
    found = inspect(signed, "image/jpeg", identity.root_pem)
    assert (found.state, found.worst, found.manifest_count) == ("trusted", "invalid", 2)
    assert found.reason is not None and "the photo it was made from" in found.reason
    (tmp_path / "twice").mkdir()
    again, _ = signed_copy(signed.read_bytes(), "image/jpeg", tmp_path / "twice", identity)
    assert inspect(again, "image/jpeg", identity.root_pem).worst == "invalid"


def test_a_tampered_photo_of_our_own_is_not_laundered_either(identity: Identity, tmp_path: Path) -> None:
    signed, _ = signed_copy(jpeg(3, 320, 240), "image/jpeg", tmp_path, identity)
    tampered = bytearray(signed.read_bytes())
    tampered[-200] ^= 1
    signed.write_bytes(tampered)
    assert inspect(signed, "image/jpeg", identity.root_pem).state == "invalid"
    (tmp_path / "again").mkdir()
    again, _ = signed_copy(bytes(tampered), "image/jpeg", tmp_path / "again", identity)
    found = inspect(again, "image/jpeg", identity.root_pem)
    assert (found.state, found.worst) == ("trusted", "invalid")


def test_our_signature_is_trusted_by_us_and_merely_valid_for_others(identity: Identity, tmp_path: Path) -> None:
    signed, _ = signed_copy(jpeg(4, 320, 240), "image/jpeg", tmp_path, identity)
    ours = inspect(signed, "image/jpeg", identity.root_pem)
    assert (ours.state, ours.worst, ours.reason) == ("trusted", "trusted", None)
    assert ours.signer == "Capture claim signer (Capture)"
    other = Identity.load_or_make(tmp_path / "other")
    theirs = inspect(signed, "image/jpeg", other.root_pem)
    assert (theirs.state, theirs.worst, theirs.reason) == ("valid", "valid", "the signer is on none of our trust lists")


def report(*ingredients: dict[str, Any], **more: list[dict[str, Any]]) -> Report:
    manifests = {"top": {"ingredients": list(ingredients)}} | {
        label: {"ingredients": content} for label, content in more.items()
    }
    return Report("Trusted", "top", manifests, ())


def recorded(*codes: str, label: str | None = None, success: tuple[str, ...] = ()) -> dict[str, Any]:
    results = {"success": [{"code": c} for c in success], "failure": [{"code": c} for c in codes]}
    found: dict[str, Any] = {"relationship": "parentOf", "validation_results": {"activeManifest": results}}
    return found | ({"active_manifest": label} if label else {})


@pytest.mark.parametrize(
    ("ingredient", "worst"),
    [
        ({"relationship": "componentOf"}, "trusted"),
        (recorded(label="a", success=("signingCredential.trusted",)), "trusted"),
        (recorded("signingCredential.untrusted", label="a"), "valid"),
        (recorded("manifest.inaccessible"), "remote_only"),
        (recorded("assertion.dataHash.mismatch", label="a"), "invalid"),
        (recorded("a.code.of.tomorrow", label="a"), "invalid"),
        ({"active_manifest": "a", "validation_status": [{"code": "claimSignature.mismatch"}]}, "invalid"),
        ({"active_manifest": "a", "validation_status": [{"code": "claimSignature.validated"}]}, "valid"),
    ],
)
def test_worst_of_one_ingredient(ingredient: dict[str, Any], worst: str) -> None:
    assert judge(report(ingredient))[:2] == ("trusted", worst)


def test_worst_is_found_at_any_depth_and_loops_end() -> None:
    deep = report(
        recorded(label="a"), a=[recorded(label="b")], b=[recorded(label="a"), recorded("assertion.missing", label="c")]
    )
    state, worst, faults = judge(deep)
    assert (state, worst) == ("trusted", "invalid")
    assert faults == ["the photo it was made from: a signed statement is missing"]


def test_faults_in_an_ingredients_own_ingredients_count() -> None:
    delta = {"validationDeltas": {"failure": [{"code": "assertion.hashedURI.mismatch"}]}}
    ingredient = {"active_manifest": "a", "validation_results": {"ingredientDeltas": [delta]}}
    assert judge(report(ingredient))[1] == "invalid"


@given(st.lists(st.sampled_from([(), ("signingCredential.untrusted",), ("assertion.missing",)]), max_size=6))
def test_one_more_ingredient_never_makes_it_better(found: list[tuple[str, ...]]) -> None:
    ingredients = [recorded(*codes, label=f"l{n}") for n, codes in enumerate(found)]
    worsts = [SEVERITY.index(judge(report(*ingredients[:n]))[1]) for n in range(len(ingredients) + 1)]
    assert worsts == sorted(worsts)


@pytest.mark.parametrize("media_type", [*FORMATS, "image/bmp", "text/plain"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0\x08\0\0\0"])
def test_bad_files_get_a_state_and_never_raise(
    identity: Identity, tmp_path: Path, media_type: str, content: bytes
) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(content)
    found = inspect(photo, media_type, identity.root_pem)
    assert found.state in ("none", "malformed") and found.manifest_count == 0
    assert str(tmp_path) not in repr(found)


def test_a_file_that_is_not_there_is_no_verdict(identity: Identity, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        inspect(tmp_path / "absent", "image/jpeg", identity.root_pem)


@pytest.fixture(scope="module")
def small_signed(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    return signed_copy(jpeg(5, 64, 48), "image/jpeg", folder, identity)[0]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(1, 255)), min_size=1, max_size=4), cut=st.booleans()
)
def test_a_changed_photo_is_never_trusted_and_never_raises(
    identity: Identity, small_signed: Path, tmp_path: Path, changes: list[tuple[float, int]], cut: bool
) -> None:
    whole = small_signed.read_bytes()
    content = bytearray(whole)
    for place, mask in changes:
        content[int(place * len(content))] ^= mask
    if cut:
        del content[int(changes[0][0] * len(content)) :]
    (tmp_path / "photo").write_bytes(content)
    found = inspect(tmp_path / "photo", "image/jpeg", identity.root_pem)
    if found.state == "trusted":
        # No signature covers the padding beside it, nor some 80 bytes of the boxes around (their labels and numbers;
        # all flipped one by one on 2026-11-23). Whatever is changed there: the photo is the same, and so is all that
        # its credentials are found to say. The leaf commits to the store's digest: even this is found out there.
        assert jpeg_parts(bytes(content))[1] == jpeg_parts(whole)[1]
        assert found == inspect(small_signed, "image/jpeg", identity.root_pem)
    assert str(tmp_path) not in repr(found)
