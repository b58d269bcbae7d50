"""The database engine, by URL, with the one recipe that makes SQLite safe under several processes."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pipeline.errors import Unavailable

BUSY_TIMEOUT_MS = 10_000  # longer than any transaction of ours; a writer that waits longer than this is stuck
MAX_COMPACTED_BYTES = 500_000_000  # rewriting a file of this size keeps writers waiting for seconds (docs/why-011)
REST = 20  # after rewriting the file: that many times as long as it took, so that writers wait 5 % of the time at most
_CHECKPOINT_PATIENCE_MS = 1_000  # while it waits for readers, nobody writes
_BLOBS_LOCK = 0x626C6F62  # "blob"

log = logging.getLogger(__name__)


class Database:
    """Connections to one database. `write` serialises writers, `read` never blocks them.

    SQLAlchemy's default for SQLite begins a deferred transaction, so that a read followed by a write fails with
    "locked" under four processes 84 % of the time (measured). BEGIN IMMEDIATE takes the write lock first.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _sqlite(url) if url.startswith("sqlite") else sa.create_engine(url, pool_pre_ping=True)
        self._compact_from = 0.0
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that is durable when the block ends, and leaves nothing behind when it raises."""
        with _unavailable("the database"), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; each statement sees the newest commit."""
        with _unavailable("the database"), self._reader.connect() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the tables to this version's shape. Runs at every start; does nothing when they have it."""
        from alembic import command  # half a second that only the start needs to pay
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["engine"] = self.engine
        command.upgrade(config, "head")

    def forget_deleted(self) -> bool:
        """Leave nothing of deleted rows in SQLite's files; False when that is not complete: ask again soon.

        Rows are overwritten as they are deleted, but pages that were once split or merged keep old copies of rows in
        their gaps, which only rewriting the file removes, and the write-ahead log keeps old pages until it is emptied.
        PostgreSQL does as its operator set it up: there is nothing to do here.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        with self.read() as connection:
            compact = self._compact(connection)
            connection.exec_driver_sql(f"PRAGMA busy_timeout={_CHECKPOINT_PATIENCE_MS}")
            try:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        return compact and not busy

    def _compact(self, connection: Connection) -> bool:
        """Write the file anew; False when that must wait, because it was done a moment ago."""
        began = time.monotonic()
        if began < self._compact_from:
            return False
        pages, page_bytes = (connection.exec_driver_sql(f"PRAGMA page_{of}").scalar_one() for of in ("count", "size"))
        if pages * page_bytes > MAX_COMPACTED_BYTES:
            log.warning("the database is too large to be rewritten while it serves: stop the service some time and run "
                        "VACUUM on it, which removes the last traces of what was erased")  # fmt: skip
            return True
        try:
            connection.exec_driver_sql("VACUUM")
            return True
        except DBAPIError as error:  # a full disk: the file is written beside the old one first
            log.warning("the database could not be rewritten, which is tried again: %s", error.orig)
            return False
        finally:
            now = time.monotonic()
            self._compact_from = now + REST * (now - began)

    def close(self) -> None:
        """Give back every connection. Must be called before a fork: SQLite handles do not survive one."""
        self.engine.dispose()


def blobs_stay(connection: Connection) -> None:
    """Until this transaction ends, no blob is removed. SQLite has one writer and needs no lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_BLOBS_LOCK)))


def blobs_go(connection: Connection) -> None:
    """Until this transaction ends, nobody else may commit a fact that names a blob."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_BLOBS_LOCK)))


def now_text() -> str:
    """The time in UTC as the database keeps it: RFC 3339 with microseconds, so that text order is time order."""
    return as_text(datetime.now(UTC))


def as_text(moment: datetime) -> str:
    """A moment as the database keeps it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def as_moment(text: str) -> datetime:
    """The inverse of `as_text`."""
    return datetime.fromisoformat(text)


def _sqlite(url: str) -> Engine:
    database = sa.make_url(url).database
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False, "isolation_level": None},
        pool_size=8, max_overflow=120,
    )  # fmt: skip

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        # FULL, because WAL with NORMAL may lose the last commits on power loss, and those were acknowledged.
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",  # what is erased is overwritten, free pages included
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _unavailable(engine: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except (DBAPIError, sa.exc.TimeoutError) as error:
        raise Unavailable(f"{engine} did not answer: {getattr(error, 'orig', None) or error}") from error
