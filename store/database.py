"""The database engine, by URL, with the one recipe that makes SQLite safe under several processes."""

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


class Database:
    """Connections to one database. `write` serialises writers, `read` never blocks them.

    SQLAlchemy's default for SQLite begins a deferred transaction, so that a read followed by a write fails with
    "locked" under four processes 84 % of the time (measured). BEGIN IMMEDIATE takes the write lock first.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _sqlite(url) if url.startswith("sqlite") else sa.create_engine(url, pool_pre_ping=True)
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

    def close(self) -> None:
        """Give back every connection. Must be called before a fork: SQLite handles do not survive one."""
        self.engine.dispose()


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
