"""Empty databases with their tables: the migrations make the first of a run, and the others are copies of it."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from store.database import Database


def give_tables(database: Database) -> None:
    """What `database.migrate()` does, for a new SQLite file in a thirtieth of its time."""
    file = sa.make_url(database.url).database
    if database.engine.dialect.name == "sqlite" and file and not Path(file).exists():
        shutil.copyfile(_migrated(), file)
    else:
        database.migrate()


@cache
def _migrated() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="capture-tables-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = Database(f"sqlite:///{folder}/migrated.db")
    database.migrate()
    database.close()  # the last one to close it leaves a single file
    return folder / "migrated.db"
