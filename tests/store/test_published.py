"""Who comes into the table of published manifests, and who leaves it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from pipeline.record import Asset, Manifest, Rejection, Request, Rights
from store import schema as module
from store.captures import CaptureRecords
from store.database import Database
from store.erasure import Erasures
from store.published import PublishedManifests
from tests.databases import give_tables
from tests.store.tags import tag_of

MANIFEST = Manifest(bytes(32), 1, "urn:c2pa:1", bytes(32), 1, "image/jpeg", "us", "trusted", bytes(32))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/c.db")
    give_tables(database)
    yield database
    database.close()


def sign(database: Database, name: str, published: bool = True) -> None:
    records = CaptureRecords(database)
    asset = Asset(name.encode().ljust(32), "image/jpeg", 7)
    records.register(name, "o", bytes(20), Request(Rights(), published=published), asset)
    records.put(name, "manifest", MANIFEST)


def test_published_captures_are_there_as_soon_as_they_are_signed_and_others_never(database: Database) -> None:
    sign(database, "shown")
    sign(database, "hidden", published=False)
    CaptureRecords(database).put("shown", "manifest", MANIFEST)  # a stage may run twice
    assert PublishedManifests(database).labels(["shown", "hidden"]) == {"shown": "urn:c2pa:1"}


def test_erased_and_refused_captures_leave(database: Database) -> None:
    sign(database, "a")
    sign(database, "b")
    Erasures(database, lambda sha256: None, tag_of).erase("a")
    CaptureRecords(database).put("b", "rejection", Rejection("seal", "broken"))
    assert PublishedManifests(database).labels(["a", "b"]) == {}


def test_what_was_registered_before_can_be_found(database: Database) -> None:
    sign(database, "shown")
    sign(database, "hidden", published=False)
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    config.attributes["engine"] = database.engine
    command.downgrade(config, "0010-1")
    database.migrate()
    assert PublishedManifests(database).labels(["shown", "hidden"]) == {"shown": "urn:c2pa:1"}
