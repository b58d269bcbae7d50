"""A real PostgreSQL for the tests and the benches, from a wheel; it listens on a socket only and is gone afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa


@contextmanager
def running_postgres() -> Iterator[str]:
    """A server of our own while the block lasts: its URL, with {} for the name of the database."""
    folder = Path(tempfile.mkdtemp(prefix="capture-postgres-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # where the package keeps its lock
        from pgserver.postgres_server import get_server

        server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", "/{}?")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def execute(url: str, sql: str, database: str = "postgres") -> None:
    """Run a statement that is about a whole database, or the server."""
    engine = sa.create_engine(url.format(database), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(sql)
    engine.dispose()
