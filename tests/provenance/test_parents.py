"""Parents in the manifest: each an ingredient with its own credentials, within a limit, trusted by every reader."""

import dataclasses
import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

from pipeline.parents import ParentFile, SourceType
from pipeline.ports import Signed
from provenance import parents as limits
from provenance.assertions import PARENTS
from provenance.container import manifest_store
from provenance.inspect import inspect
from provenance.jumbf import check_store
from provenance.keys import Identity
from provenance.manifest import sign
from provenance.rendition import sign_public
from tests.photos import jpeg
from tests.provenance.orders import FORMATS, RIGHTS, order_for, photo_of, signed_copy
from tests.provenance.rubric import active_manifest, objections
from tests.provenance.test_judges import failures, judged, no_telemetry, verdict
from tests.provenance.test_location import located
from tests.provenance.test_manifest import active, assertion

__all__ = ["no_telemetry"]  # the other validator is asked here too

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def parent(seed: int, folder: Path, identity: Identity, media_type: str = "image/jpeg", **changes: Any) -> ParentFile:
    """A registered photo, signed as such, as its child's signing sees it."""
    place = folder / f"parent-{seed}"
    place.mkdir()
    signed, made = signed_copy(photo_of(media_type, seed), media_type, place, identity)
    named = ParentFile(f"p{seed}", seed << 80, f"Photo by {seed}", False, media_type,
                       made.sha256, made.label, signed)  # fmt: skip
    return dataclasses.replace(named, **changes)


def child(
    folder: Path, identity: Identity, *parents: ParentFile, upload: bytes = b"", media_type: str = "image/jpeg",
    **changes: Any,
) -> tuple[Path, Signed]:  # fmt: skip
    content = upload or photo_of(media_type, 99)
    return signed_copy(content, media_type, folder, identity, parents=parents, **changes)


def relations(file: Path, media_type: str = "image/jpeg") -> list[tuple[str, str | None, str | None]]:
    named = active(file, media_type)["ingredients"]
    return [(each["relationship"], each.get("title"), each.get("active_manifest")) for each in named]


def actions(file: Path, media_type: str = "image/jpeg") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = assertion(active(file, media_type), "c2pa.actions.v2")["data"]["actions"]
    return found


def named(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = assertion(active(file, "image/jpeg"), PARENTS)["data"]["parents"]
    return found


@pytest.mark.parametrize("media_type", FORMATS)
def test_a_collage_shows_its_parents_to_every_reader(identity: Identity, tmp_path: Path, media_type: str) -> None:
    one, two = parent(1, tmp_path, identity), parent(2, tmp_path, identity, media_type)
    made, result = child(tmp_path, identity, one, two, media_type=media_type)
    found = inspect(made, media_type, identity.root_pem)
    assert (found.state, found.worst, found.manifest_count, found.reason) == ("trusted", "trusted", 3, None)
    assert [(each.title, each.relation, each.state) for each in found.ingredients if each.title] == [
        ("Photo by 1", "componentOf", "trusted"), ("Photo by 2", "componentOf", "trusted"),
    ]  # fmt: skip
    assert [each["action"] for each in actions(made, media_type)] == ["c2pa.opened", "c2pa.placed", "c2pa.placed"]
    assert all(len(each["parameters"]["ingredients"]) == 1 for each in actions(made, media_type))
    assert result.carried_parents == 2
    for each in (one, two):  # byte for byte, behind the description of its own store
        assert each.file
        store = manifest_store(each.file, each.media_type)
        assert store[store.index(b"jumb", 20) :] in result.store
    report = judged(made, media_type, identity)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


@pytest.mark.parametrize("is_whole", [False, True])
@pytest.mark.parametrize("kind", [None, "trainedAlgorithmicMedia"])
def test_no_rule_of_the_conformance_programme_is_broken(
    identity: Identity, tmp_path: Path, is_whole: bool, kind: SourceType | None
) -> None:
    one = parent(1, tmp_path, identity, is_whole=is_whole)
    made, _ = child(tmp_path, identity, one, source_type=kind)
    assert objections(active_manifest(made, "image/jpeg", identity.root_pem)) == {}


def test_what_we_say_of_each_parent(identity: Identity, tmp_path: Path) -> None:
    one = parent(1, tmp_path, identity)
    made, _ = child(tmp_path, identity, one)
    assert one.file
    digest = hashlib.sha256(manifest_store(one.file, one.media_type)).hexdigest()
    assert named(made) == [
        {"capture": "p1", "asset": f"0x{1 << 80:064x}", "relationship": "componentOf",
         "manifest": {"alg": "sha256", "hash": digest}, "store": "carried"},
    ]  # fmt: skip


def test_a_parent_that_was_altered_was_opened(identity: Identity, tmp_path: Path) -> None:
    one = parent(1, tmp_path, identity, is_whole=True)
    made, _ = child(tmp_path, identity, one)
    assert relations(made) == [("parentOf", "Photo by 1", one.label)]
    assert [each["action"] for each in actions(made)] == ["c2pa.opened"]
    assert verdict(judged(made, "image/jpeg", identity)) == ("valid", "valid", "match")


def test_the_uploads_own_credentials_stay_what_was_opened(identity: Identity, tmp_path: Path) -> None:
    own, first = child(tmp_path, identity)
    one = parent(1, tmp_path, identity, is_whole=True)
    made, _ = child(tmp_path, identity, one, upload=own.read_bytes())
    assert relations(made) == [("componentOf", "Photo by 1", one.label), ("parentOf", None, first.label)]
    assert inspect(made, "image/jpeg", identity.root_pem).worst == "trusted"


def test_a_parent_whose_store_came_with_the_upload_already(identity: Identity, tmp_path: Path) -> None:
    """Whoever edits the signed file of a parent uploads its store too: it stands in ours once."""
    one = parent(1, tmp_path, identity)
    assert one.file
    made, result = child(tmp_path, identity, one, upload=one.file.read_bytes())
    assert relations(made) == [("componentOf", "Photo by 1", one.label), ("parentOf", None, one.label)]
    assert result.carried_parents == 1
    found = inspect(made, "image/jpeg", identity.root_pem)
    assert (found.worst, found.manifest_count) == ("trusted", 2)


def test_credentials_that_nobody_can_read_stay_and_parents_are_named_beside(identity: Identity, tmp_path: Path) -> None:
    own, _ = child(tmp_path, identity)
    nobodys = own.read_bytes().replace(b"c2pa.claim.v2", b"c2pa.claim.v9")
    one = parent(1, tmp_path, identity, is_whole=True)
    made, result = child(tmp_path, identity, one, upload=nobodys, source_type="composite")
    assert (result.embedded, result.carried_parents, made.read_bytes()) == (False, 1, nobodys)
    report = judged(made, "image/jpeg", identity, manifest_store=result.store)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


@pytest.mark.parametrize("missing", ["withheld", "beside", "erased"])
@pytest.mark.parametrize("is_whole", [False, True])
def test_parents_without_a_file_are_named_with_the_reason(
    identity: Identity, tmp_path: Path, missing: str, is_whole: bool
) -> None:
    one = parent(1, tmp_path, identity, file=None, missing=missing, is_whole=is_whole)
    made, result = child(tmp_path, identity, one)
    assert ("parentOf" if is_whole else "componentOf", "Photo by 1", None) in relations(made)
    assert (named(made)[0]["store"], result.carried_parents) == (missing, 0)
    report = judged(made, "image/jpeg", identity)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


def test_a_parent_that_was_damaged_on_the_disk_stops_nothing(identity: Identity, tmp_path: Path) -> None:
    broken, cut, other = (parent(seed, tmp_path, identity) for seed in (1, 2, 3))
    assert broken.file and cut.file
    content = bytearray(broken.file.read_bytes())
    content[-100] ^= 1
    broken.file.write_bytes(content)
    cut.file.write_bytes(cut.file.read_bytes()[:300])
    made, result = child(tmp_path, identity, broken, cut, other)
    assert [each["store"] for each in named(made)] == ["unreadable", "unreadable", "carried"]
    assert inspect(made, "image/jpeg", identity.root_pem).worst == "trusted"
    assert result.carried_parents == 1


def test_a_parents_own_past_does_not_stop_its_derivatives(identity: Identity, tmp_path: Path) -> None:
    """A parent that was made from what a stranger signed: the child says so, as the parent does."""
    stranger = Identity.load_or_make(tmp_path / "stranger")
    theirs, _ = child(tmp_path, stranger)
    signed, first = child(tmp_path, identity, upload=theirs.read_bytes())
    kept = tmp_path / "kept.jpg"
    kept.write_bytes(signed.read_bytes())
    one = ParentFile("p", 1 << 80, "Photo", False, "image/jpeg", first.sha256, first.label, kept)
    made, result = child(tmp_path, identity, one)
    found = inspect(made, "image/jpeg", identity.root_pem)
    assert (found.state, found.worst, result.carried_parents) == ("trusted", "valid", 1)


def test_sixteen_parents_and_the_limit(identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parents = [parent(seed, tmp_path, identity) for seed in range(1, 17)]
    made, result = child(tmp_path, identity, *parents)
    assert result.carried_parents == 16
    check_store(result.store)  # within what our own readers take
    assert inspect(made, "image/jpeg", identity.root_pem).worst == "trusted"
    sizes = [len(manifest_store(each.file, each.media_type)) for each in parents if each.file]
    assert len(result.store) < 1.5 * sum(sizes)
    monkeypatch.setattr(limits, "MOST_BYTES", sum(sizes[:3]))
    made, result = child(tmp_path, identity, *parents)
    assert [each["store"] for each in named(made)] == ["carried"] * 3 + ["too-large"] * 13
    assert verdict(judged(made, "image/jpeg", identity)) == ("valid", "valid", "match")
    monkeypatch.setattr(limits, "MAX_MANIFESTS", limits.RESERVE_MANIFESTS + 2)
    assert child(tmp_path, identity, *parents)[1].carried_parents == 2


@pytest.mark.parametrize("kind", get_args(SourceType))
def test_how_it_was_made_begins_the_actions(identity: Identity, tmp_path: Path, kind: SourceType) -> None:
    one = parent(1, tmp_path, identity)
    made, _ = child(tmp_path, identity, one, source_type=kind)
    first, second = actions(made)
    assert (first["action"], first["digitalSourceType"]) == ("c2pa.created", IPTC + kind)
    assert (first["description"], second["action"]) == ("As its uploader stated.", "c2pa.placed")
    found = inspect(made, "image/jpeg", identity.root_pem)
    said = {"trainedAlgorithmicMedia": "made_by_ai", "compositeWithTrainedAlgorithmicMedia": "edited_with_ai"}
    assert (found.worst, found.ai) == ("trusted", said.get(kind, "not_said"))
    report = judged(made, "image/jpeg", identity)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


def test_an_altered_parent_is_edited_as_stated(identity: Identity, tmp_path: Path) -> None:
    one = parent(1, tmp_path, identity, is_whole=True)
    made, _ = child(tmp_path, identity, one, source_type="compositeWithTrainedAlgorithmicMedia")
    assert [each["action"] for each in actions(made)] == ["c2pa.opened", "c2pa.edited"]
    assert inspect(made, "image/jpeg", identity.root_pem).ai == "edited_with_ai"
    report = judged(made, "image/jpeg", identity)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


def test_what_the_credentials_say_already_is_not_said_again(identity: Identity, tmp_path: Path) -> None:
    own, first = child(tmp_path, identity, source_type="trainedAlgorithmicMedia")
    made, _ = child(tmp_path, identity, upload=own.read_bytes(), source_type="trainedAlgorithmicMedia")
    assert [each["action"] for each in actions(made)] == ["c2pa.opened"]
    assert relations(made) == [("parentOf", None, first.label)]
    assert inspect(made, "image/jpeg", identity.root_pem).ai == "made_by_ai"


def test_the_public_file_of_a_derivative_tells_no_place_and_shows_its_parents(
    identity: Identity, tmp_path: Path
) -> None:
    one = parent(1, tmp_path, identity)
    photo, signed, public = tmp_path / "photo", tmp_path / "signed", tmp_path / "public"
    photo.write_bytes(located("JPEG"))
    order = order_for(photo, "image/jpeg", identity, parents=(one,), source_type="composite")
    full = sign(photo, signed, order, RIGHTS, identity)
    result = sign_public(signed, public, order, full, RIGHTS, identity)
    assert result.location == "removed"
    found = inspect(public, "image/jpeg", identity.root_pem)
    assert (found.worst, found.manifest_count) == ("trusted", 3)
    assert [(each.title, each.depth) for each in found.ingredients if each.title] == [("Photo by 1", 2)]
    report = judged(public, "image/jpeg", identity)
    assert (verdict(report), failures(report)) == (("valid", "valid", "match"), set())


def test_a_generation_adds_its_own_store_to_those_before(identity: Identity, tmp_path: Path) -> None:
    line, upload = parent(1, tmp_path, identity), jpeg(50, 320, 240)
    sizes = []
    for number in range(4):
        folder = tmp_path / f"generation-{number}"
        folder.mkdir()
        made, result = child(folder, identity, line, upload=upload)
        line = ParentFile(f"g{number}", number << 80, "One more", False, "image/jpeg",
                          result.sha256, result.label, made)  # fmt: skip
        sizes.append(len(result.store))
    growth = [later - earlier for earlier, later in pairwise(sizes)]
    assert max(growth) < 1.2 * min(growth), "a line of works grows by the same with each, not by the sum"
    assert inspect(made, "image/jpeg", identity.root_pem).manifest_count == 5
