"""What later photos are compared with point by point: the packed points, and where the thumbnail is."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from pipeline.ports import Registered
from pipeline.record import Dimensions
from store.database import Database
from store.fingerprints import IN_LIMIT
from store.schema import fingerprints, local_features


class LocalFeatures:
    """Reads the table `local_features` (ports: fingerprint.inverted.Rows, fingerprint.match.Photos)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> int:
        """The highest number of any fingerprint, with points or without; 0 when there is none."""
        with self._database.read() as connection:
            return connection.execute(sa.select(sa.func.max(fingerprints.c.number))).scalar() or 0

    def between(self, first: int, last: int) -> Sequence[tuple[int, bytes]]:
        """Number and packed points of the photos with these numbers, both ends included, lowest first."""
        columns = local_features.c
        query = sa.select(columns.number, columns.points).where(columns.number.between(first, last))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(columns.number)).all()
        return [(number, bytes(points)) for number, points in rows]

    def numbered(self, numbers: Sequence[int]) -> Iterator[Registered]:
        """The photos with these numbers, oldest first; those that are gone are left out."""
        return self._registered(fingerprints.c.number, numbers)

    def called(self, capture_ids: Sequence[str]) -> Iterator[Registered]:
        """The photos of these captures, oldest first; those that are gone, or have no points, are left out."""
        return self._registered(fingerprints.c.capture_id, capture_ids)

    def _registered(self, column: sa.ColumnElement[object], values: Sequence[object]) -> Iterator[Registered]:
        both = sa.join(fingerprints, local_features, fingerprints.c.number == local_features.c.number)
        query = sa.select(fingerprints.c.capture_id, fingerprints.c.pdq, local_features).select_from(both)
        for start in range(0, len(values), IN_LIMIT):
            with self._database.read() as connection:
                some = query.where(column.in_(values[start : start + IN_LIMIT])).order_by(fingerprints.c.number)
                rows = connection.execute(some).all()
            for row in rows:
                size = Dimensions(row.width, row.height)
                yield Registered(
                    row.number, row.capture_id, bytes(row.pdq), bytes(row.points), size, bytes(row.thumbnail_sha256)
                )
