"""Fixtures of the index's contract: every engine, over a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database import Database
from tests.contracts_of.fingerprint_table import ON_POSTGRES, ON_SQLITE, Engine, Table
from tests.postgres import execute, running_postgres


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
    execute(postgres, "drop database if exists used with (force)")
    execute(postgres, f"create database used template {migrated_postgres}")
    return postgres.format("used")


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
