"""Fixtures of the index's contract: every engine, over a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database import Database
from tests.contracts_of.fingerprint_table import ON_POSTGRES, ON_SQLITE, Engine, Table
from tests.postgres import execute, running_postgres

# A tenth of what a new database costs. Whoever is still connected is one of the last test's processes.
EMPTY = """
do $$ declare found record; begin
  perform pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid();
  set local session_replication_role = replica;  -- in any order
  for found in select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version' loop
    execute 'delete from ' || quote_ident(found.tablename);
  end loop;
  for found in select sequencename from pg_sequences loop
    perform setval(quote_ident(found.sequencename)::regclass, 1, false);
  end loop;
end $$
"""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server; the URL lacks the name of the database."""
    with running_postgres() as url:
        execute(url, "alter system set fsync = off")  # nobody cuts the power in these tests
        execute(url, "select pg_reload_conf()")
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> str:
    """The name of a database with empty tables, as the migrations make them."""
    execute(postgres, "create database migrated")
    database = Database(postgres.format("migrated"))
    database.migrate()
    database.close()
    return "migrated"


@pytest.fixture
def empty_postgres(postgres: str, migrated_postgres: str) -> str:
    """The URL of a database with empty tables."""
    execute(postgres, EMPTY, migrated_postgres)
    return postgres.format(migrated_postgres)


@pytest.fixture(params=[*ON_SQLITE, *ON_POSTGRES])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Table]:
    """An empty table for each test, and each engine."""
    if request.param in ON_SQLITE:
        made = Table.on_sqlite(request.param, tmp_path)
    else:
        made = Table(request.param, request.getfixturevalue("empty_postgres"), tmp_path / "index")
    yield made
    made.database.close()


@pytest.fixture
def index(table: Table) -> Engine:
    return table.index()
