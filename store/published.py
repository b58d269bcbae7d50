"""What strangers may find: captures that are published and signed, read from a table that holds no others.

The same tables as in fingerprints.py, bands.py and local_features.py, as if nothing else were registered.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import sqlalchemy as sa

from pipeline.ports import Registered
from store.bands import Candidate, PostgresBands
from store.database import Database
from store.fingerprints import IN_LIMIT, FingerprintRows
from store.local_features import LocalFeatures
from store.schema import published_manifests

_COLUMNS = published_manifests.c


class PublishedManifests:
    """Reads the table `published_manifests`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def labels(self, capture_ids: Collection[str]) -> dict[str, str]:
        """The label of the signed manifest of each of these captures; those that are not published are left out."""
        ids, found = list(capture_ids), dict[str, str]()
        query = sa.select(_COLUMNS.capture_id, _COLUMNS.label)
        for start in range(0, len(ids), IN_LIMIT):
            with self._database.read() as connection:
                rows = connection.execute(query.where(_COLUMNS.capture_id.in_(ids[start : start + IN_LIMIT])))
                found |= {row.capture_id: row.label for row in rows}
        return found

    def capture_id(self, label: str) -> str:
        """The published capture whose signed manifest has this label. Raises LookupError."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(_COLUMNS.capture_id).where(_COLUMNS.label == label)).scalar()
        if found is None:
            raise LookupError("no published manifest of this name")
        return str(found)


class PublishedRows(FingerprintRows):
    """The rows of published photos; the others look as if they were gone."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._published = PublishedManifests(database)

    def capture_ids(self, numbers: Sequence[int]) -> dict[int, str]:
        """As FingerprintRows.capture_ids."""
        found = super().capture_ids(numbers)
        shown = self._published.labels(found.values())
        return {number: capture_id for number, capture_id in found.items() if capture_id in shown}

    def same(self, sha256: bytes, before: int | None) -> Sequence[str]:
        """As FingerprintRows.same."""
        found = super().same(sha256, before)
        shown = self._published.labels(found)
        return [capture_id for capture_id in found if capture_id in shown]


class PublishedBands(PublishedRows, PostgresBands):
    """The same in PostgreSQL, where the database looks for bands."""

    def sharing(self, keys: Sequence[int], before: int | None) -> Sequence[Candidate]:
        """As PostgresBands.sharing."""
        found = super().sharing(keys, before)
        shown = self._published.labels({each.capture_id for each in found})
        return [each for each in found if each.capture_id in shown]

    def isccs_within(self, iscc: bytes, radius: int, before: int | None) -> Sequence[tuple[str, int]]:
        """As PostgresBands.isccs_within."""
        found = super().isccs_within(iscc, radius, before)
        shown: Mapping[str, str] = self._published.labels({capture_id for capture_id, _ in found})
        return [each for each in found if each[0] in shown]


class PublishedFeatures(LocalFeatures):
    """Local features and thumbnails of published photos."""

    def _registered(self, column: sa.ColumnElement[object], values: Sequence[object]) -> Iterator[Registered]:
        found = list(super()._registered(column, values))
        shown = PublishedManifests(self._database).labels({photo.capture_id for photo in found})
        yield from (photo for photo in found if photo.capture_id in shown)
