"""What strangers may find, on every engine of the index: published photos, and no trace of any other."""

import pytest

from fingerprint.band_index import BandIndex
from fingerprint.index import ScanIndex
from store.published import PublishedBands, PublishedFeatures, PublishedManifests, PublishedRows
from store.schema import captures, local_features, published_manifests
from tests.contracts_of.fingerprint_table import Engine, Table, code

SAME = bytes(range(32))


def for_strangers(table: Table) -> Engine:
    """The same engine over the same files, for strangers."""
    if table.engine == "postgres":
        return BandIndex(PublishedBands(table.database))
    return ScanIndex(table.folder, PublishedRows(table.database), 1 if table.engine == "bands" else 10**9)


@pytest.fixture
def shown(table: Table) -> list[str]:
    """Two photos that resemble each other and were published; between and around them, the like that were not."""
    ids = [table.add(code(1)[:-1] + bytes([last]), iscc=bytes(7) + bytes([last]), sha256=SAME) for last in range(5)]
    published = [ids[1], ids[3]]
    with table.database.write() as connection:
        for capture_id in published:
            row = {"capture_id": capture_id, "label": f"urn:{capture_id}"}
            connection.execute(published_manifests.insert().values(row))
        for number in range(1, 6):
            local = {"number": number, "thumbnail_sha256": SAME, "width": 4, "height": 3, "points": b""}
            connection.execute(local_features.insert().values(local))
    return published


def test_only_published_photos_are_found(table: Table, shown: list[str]) -> None:
    owners, strangers = table.index(), for_strangers(table)
    assert len(owners.near(code(1), 31, None)) == len(owners.iscc(bytes(8), 8, None)) == 5
    assert {each.capture_id for each in strangers.near(code(1), 31, None)} == set(shown)
    assert {each.capture_id for each in strangers.near(code(1), 60, None)} == set(shown)
    assert [each.capture_id for each in strangers.iscc(bytes(8), 8, None)] == shown
    assert strangers.same(SAME, None) == shown


def test_only_published_photos_have_pictures_to_compare_with(table: Table, shown: list[str]) -> None:
    features = PublishedFeatures(table.database)
    assert [photo.capture_id for photo in features.numbered([1, 2, 3, 4, 5])] == shown
    with table.database.read() as connection:
        everything = list(connection.execute(captures.select().with_only_columns(captures.c.id)).scalars())
    assert [photo.capture_id for photo in features.called(everything)] == shown


def test_a_manifest_is_found_by_its_label(table: Table, shown: list[str]) -> None:
    manifests = PublishedManifests(table.database)
    assert manifests.labels([*shown, "another"]) == {each: f"urn:{each}" for each in shown}
    assert manifests.labels([]) == {}
    assert manifests.capture_id(f"urn:{shown[0]}") == shown[0]
    with pytest.raises(LookupError):
        manifests.capture_id("urn:another")
