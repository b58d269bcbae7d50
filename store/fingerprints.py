"""The rows that the fingerprint index is derived from, in the order in which they were committed."""

from store.database import Database


class FingerprintRows:
    """Reads the table `fingerprints` (port: fingerprint.index.Rows)."""

    def __init__(self, database: Database) -> None:
        self._database = database
