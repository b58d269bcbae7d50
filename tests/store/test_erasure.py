"""Erasure in the database and the blob store: nothing comes back, nobody else's goes, and no page remembers."""

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline.errors import Conflict, Erased, Unavailable
from pipeline.record import (
    Asset,
    Dimensions,
    Fingerprint,
    Leaf,
    Manifest,
    Rejection,
    Rendition,
    Request,
    Rights,
    SoftBinding,
)
from store import database as module
from store import erasure, schema
from store.blobs import BlobStore
from store.captures import CaptureRecords
from store.database import Database
from store.erasure import Erasures, Grave
from store.log import LogRecords
from tests.databases import give_tables
from tests.store.tags import tag_of
from tests.traces import contents

REQUEST = Request(Rights(creator="Ada Lovelace"), published=True)
LEFT_EMPTY = ("facts", "fingerprints", "local_features", "idempotency", "blob_uses")


class World:
    """A database and a blob store, and captures in them."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.database = Database(url or f"sqlite:///{folder}/c.db")
        self.blobs = BlobStore((folder / "blobs").as_uri())
        self.captures = CaptureRecords(self.database, self.blobs.has)
        self.erasures = Erasures(self.database, self.blobs.remove, tag_of)

    def register(self, name: str, content: bytes = b"", owner: str = "o", key: str | None = None) -> Asset:
        kept = self.blobs.put(content or name.encode() * 9)
        asset = Asset(kept.sha256, "image/jpeg", kept.size)
        self.captures.register(name, owner, bytes(20), REQUEST, asset, (key, bytes(32)) if key else None)
        return asset

    def fingerprint(self, name: str, thumbnail: bytes = b"") -> Fingerprint:
        kept = self.blobs.put(thumbnail or b"thumbnail of " + name.encode())
        code = SoftBinding("pdq256-v1", random.Random(name).randbytes(32).hex())
        return Fingerprint((code,), 80, Dimensions(4, 3), kept.sha256)

    def manifest(self, name: str) -> Manifest:
        store, signed = self.blobs.put(b"store of " + name.encode()), self.blobs.put(b"signed " + name.encode())
        thumbnail = self.blobs.put(b"thumbnail of " + name.encode())
        return Manifest(store.sha256, store.size, "label", signed.sha256, signed.size, "image/jpeg", "us", "trusted",
                        thumbnail.sha256)  # fmt: skip

    def seal(self, name: str) -> Leaf:
        self.captures.put(name, "fingerprint", self.fingerprint(name))
        self.captures.put(name, "manifest", self.manifest(name))
        salted = random.Random(f"leaf {name}").randbytes(320)
        leaf = Leaf(tuple(salted[at : at + 32] for at in range(0, 320, 32)), salted[:32])
        self.captures.put(name, "leaf", leaf)
        return leaf

    def log(self) -> None:
        """Give waiting leaves their places, as the sequencer does."""
        log = LogRecords(self.database)
        size = (log.newest() or (0, b""))[0]
        waiting = log.waiting(500)
        tile = b"".join(digest for _, digest in waiting)
        log.append(size, [number for number, _ in waiting], {(0, 0): tile}, bytes(32), "note")

    def log_all(self) -> None:
        """As `log`, when there may be nothing to do."""
        if LogRecords(self.database).waiting(1):
            self.log()

    def finish(self, name: str) -> bool:
        self.erasures.remove_blobs(name)
        return self.erasures.entomb(name, inscribe)

    def rows(self, table: str) -> int:
        with self.database.read() as connection:
            query = sa.select(sa.func.count()).select_from(schema.metadata.tables[table])
            return int(connection.execute(query).scalar_one())

    def files(self) -> int:
        return sum(path.is_file() for path in (self.folder / "blobs").rglob("*"))

    def holds(self, *needles: bytes) -> list[bytes]:
        """Which of these are anywhere in the database's files."""
        content = b"".join(contents(path) for path in self.folder.glob("c.db*"))
        return [needle for needle in needles if needle in content]


def inscribe(grave: Grave) -> Leaf:
    words = (b"tombstone".ljust(32), grave.leaf or bytes(32), (grave.position or 0).to_bytes(32), *(bytes(32),) * 7)
    return Leaf(words, random.Random(f"tomb {grave.capture_id}").randbytes(32))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    give_tables(world.database)
    yield world
    world.database.close()


def test_only_the_id_the_owner_and_the_log_entry_stay(world: World) -> None:
    asset = world.register("a", key="k")
    leaf = world.seal("a")
    world.log()
    world.erasures.erase("a")
    assert [world.rows(table) for table in LEFT_EMPTY] == [0, 0, 0, 0, 4]
    with pytest.raises(Erased) as told:
        world.captures.get("a")
    assert (told.value.owner, told.value.published, dict(told.value.facts)) == ("o", True, {})
    assert world.finish("a")
    assert world.files() == 0
    assert world.database.forget_deleted()
    world.erasures.close(["a"])
    assert world.erasures.open(9) == []
    told_by = (asset.sha256, asset.sha256.hex().encode(), leaf.statement[1].hex().encode(), b"Ada Lovelace")
    assert world.holds(*told_by) == []
    assert world.holds(leaf.digest) == [leaf.digest], "the entry of the log stays"
    assert world.register("b", b"a" * 9, key="k") == asset
    assert world.captures.get("b").id == "b", "neither bytes nor key are remembered"


def test_erasing_again_changes_nothing(world: World) -> None:
    world.register("a")
    world.erasures.erase("a")
    world.finish("a")
    with world.database.read() as connection:
        before = connection.execute(sa.select(schema.erasures)).all()
    world.erasures.erase("a")
    with world.database.read() as connection:
        assert connection.execute(sa.select(schema.erasures)).all() == before
    assert world.finish("a")
    assert world.rows("log_leaves") == 1, "one tombstone"


def test_a_tombstone_waits_for_the_place_of_the_leaf_that_it_names(world: World) -> None:
    world.register("a")
    leaf = world.seal("a")
    world.erasures.erase("a")
    assert not world.finish("a"), "the sequencer may have read this leaf already"
    world.log()  # writes an inclusion for a capture that is erased
    assert world.finish("a")
    assert world.finish("a"), "and once it is written, it is written"
    [(_, digest)] = LogRecords(world.database).waiting(9)
    assert digest == inscribe(Grave("a", bytes(20), 0, leaf.digest, 0)).digest
    world.log()
    with pytest.raises(Erased) as told:
        world.captures.get("a")
    assert told.value.facts["leaf"].statement[1:3] == (leaf.digest, bytes(32))
    assert told.value.facts["inclusion"].index == 1
    assert LogRecords(world.database).unanchored(2) == ["a"], "it is anchored like every other"


def test_a_capture_that_was_never_sealed_has_a_tombstone_too(world: World) -> None:
    world.register("a")
    world.erasures.erase("a")
    assert world.finish("a")
    with pytest.raises(Erased) as told:
        world.captures.get("a")
    assert told.value.facts["leaf"].statement[1] == bytes(32)


def test_a_worker_that_comes_late_adds_nothing(world: World) -> None:
    world.register("a")
    token = world.captures.lease("a", "w")
    assert token
    made = world.fingerprint("a")
    world.erasures.erase("a")
    assert world.finish("a")
    assert world.files() == 1, "the thumbnail, which nobody had named"
    with pytest.raises(Erased):
        world.captures.put("a", "fingerprint", made, token)
    with pytest.raises(Erased):
        world.captures.put("a", "manifest", world.manifest("a"), token)
    world.captures.hold("a", "a Conflict tells facts: Ada")
    world.captures.release("a", token)
    assert world.captures.lease("a", "w") is None or world.rows("facts") == 1
    assert world.captures.take_waiting(9) == []
    assert world.erasures.open(9) == ["a"]
    world.erasures.close(["a"])
    assert world.erasures.open(9) == ["a"], "not while a blob is named"
    assert world.finish("a")
    assert world.files() == 0
    assert world.holds(b"a Conflict tells facts") == []
    assert world.captures.counts() == {"all": 0, "open": 0, "held": 0}


def test_a_late_fact_opens_a_finished_erasure_again(world: World) -> None:
    world.register("a")
    world.erasures.erase("a")
    world.finish("a")
    world.erasures.close(["a"])
    assert world.erasures.open(9) == []
    with pytest.raises(Erased):
        world.captures.put("a", "fingerprint", world.fingerprint("a"))
    assert world.erasures.open(9) == ["a"]


def test_a_blob_goes_with_the_last_capture_that_names_it(world: World) -> None:
    one = world.register("a", b"the same bytes")
    world.register("b", b"the same bytes", owner="p")
    world.erasures.erase("a")
    world.finish("a")
    assert world.blobs.has(one.sha256)
    assert world.captures.get("b").fact("asset") == one
    world.erasures.erase("b")
    world.finish("b")
    assert not world.blobs.has(one.sha256)


def test_two_that_share_a_blob_and_are_erased_together(world: World) -> None:
    world.register("a", b"the same bytes")
    world.register("b", b"the same bytes", owner="p")
    for name in "ab":
        world.erasures.erase(name)
    for name in "ab":
        world.finish(name)
    assert world.files() == 0


def test_an_upload_of_bytes_that_go_at_this_moment_is_sent_again(world: World) -> None:
    asset = world.register("a", b"the same bytes")
    world.blobs.put(b"the same bytes")  # somebody else's upload came in whole, and is about to be committed
    world.erasures.erase("a")
    world.finish("a")
    with pytest.raises(Unavailable, match="sent again"):
        world.captures.register("b", "p", bytes(20), REQUEST, asset)
    with pytest.raises(LookupError):
        world.captures.get("b")
    world.register("b", b"the same bytes", owner="p")
    assert b"".join(world.blobs.read(asset.sha256)) == b"the same bytes"


def test_a_fact_is_not_committed_without_its_bytes(world: World) -> None:
    world.register("a")
    with pytest.raises(Unavailable, match="sent again"):
        world.captures.put("a", "fingerprint", replace(world.fingerprint("a"), thumbnail_sha256=bytes(32)))
    assert list(world.captures.get("a").facts) == ["asset"]
    assert world.rows("fingerprints") == 0


def test_the_public_file_and_its_manifest_go_too(world: World) -> None:
    world.register("a")
    shown, store = world.blobs.put(b"public"), world.blobs.put(b"its store")
    public = Rendition(shown.sha256, shown.size, store.sha256, "label")
    world.captures.put("a", "manifest", replace(world.manifest("a"), public=public))
    assert world.rows("blob_uses") == world.files() == 6
    world.erasures.erase("a")
    assert world.finish("a") and world.files() == 0


def test_orphans_are_removed_and_nothing_else(world: World) -> None:
    asset = world.register("a")
    world.seal("a")
    orphan = world.blobs.put(b"stored, and then the power went")
    found = [digest for byte in range(256) for digest in world.blobs.digests(byte, -1)]
    assert orphan.sha256 in found
    assert asset.sha256 in found
    assert len(found) == 5
    assert [world.blobs.digests(byte, 3600) for byte in range(256)] == [[]] * 256, "none is older than an hour"
    assert world.erasures.remove_orphans(found) == 1
    assert not world.blobs.has(orphan.sha256)
    assert world.files() == 4
    world.blobs.remove(orphan.sha256)  # again is fine


def test_a_refused_photos_number_is_noted_for_derived_files(world: World) -> None:
    for name in "abc":
        world.register(name)
        world.captures.put(name, "fingerprint", world.fingerprint(name))
    world.captures.put("b", "rejection", Rejection("sign", "no"))
    world.erasures.erase("a")
    assert world.erasures.removed_fingerprints(0, 9) == [(1, 2), (2, 1)]
    assert world.erasures.removed_fingerprints(1, 9) == [(2, 1)]
    world.erasures.erase("b")
    assert len(world.erasures.removed_fingerprints(0, 9)) == 2, "its number was noted when it was refused"


def test_a_store_that_is_away_keeps_the_erasure_open(world: World) -> None:
    asset = world.register("a")
    world.erasures.erase("a")

    def away(sha256: bytes) -> None:
        raise Unavailable("the blob store is away")

    with pytest.raises(Unavailable):
        Erasures(world.database, away, tag_of).remove_blobs("a")
    assert world.rows("blob_uses") == 1
    assert world.blobs.has(asset.sha256)
    world.finish("a")
    assert not world.blobs.has(asset.sha256)


@pytest.mark.parametrize("compacted", [True, False])
def test_no_page_remembers(world: World, compacted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are split and merged keep old copies of rows in their gaps: rewriting the file removes them."""
    if not compacted:
        monkeypatch.setattr(module, "MAX_COMPACTED_BYTES", 0)
    chance, secrets = random.Random(7), {}
    names = [f"capture-{place}" for place in range(150)]
    for name in names:
        asset, leaf = world.register(name, chance.randbytes(40)), world.seal(name)
        token = world.captures.lease(name, "w" * chance.randrange(1, 20))
        world.captures.release(name, str(token))
        secrets[name] = (asset.sha256, asset.sha256.hex().encode(), leaf.statement[1].hex().encode())
    world.log()
    gone = chance.sample(names, 100)
    for name in gone:
        world.erasures.erase(name)
        assert world.finish(name)
    needles = [needle for name in gone for needle in secrets[name]]
    assert world.database.forget_deleted()
    left = world.holds(*needles)
    assert (left == []) if compacted else (len(left) < len(needles) // 10), left
    kept = [secrets[name][0] for name in names if name not in gone]
    assert world.holds(*kept) == kept


def test_the_file_is_not_rewritten_all_the_time(world: World) -> None:
    assert world.database.forget_deleted()
    assert not world.database.forget_deleted(), "a moment ago: the erasure stays open until the next time"


def test_a_reader_in_the_way_keeps_it_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECKPOINT_PATIENCE_MS", 50)
    monkeypatch.setattr(module, "REST", 0)
    reader = sqlite3.connect(world.folder / "c.db", isolation_level=None)
    reader.execute("begin")
    reader.execute("select * from captures").fetchall()
    world.register("a")
    assert not world.database.forget_deleted(), "the log is needed as long as somebody reads what was before"
    reader.execute("rollback")
    reader.close()
    assert world.database.forget_deleted()
    assert (world.folder / "c.db-wal").stat().st_size == 0


def test_blobs_of_earlier_versions_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path)
    config = Config()
    config.set_main_option("script_location", str(Path(erasure.__file__).parent / "migrations"))
    config.attributes["engine"] = world.database.engine
    command.upgrade(config, "head")
    world.register("a")
    world.seal("a")
    with world.database.read() as connection:
        uses = connection.execute(sa.select(schema.blob_uses).order_by(schema.blob_uses.c.sha256)).all()
    assert len(uses) == 4
    command.downgrade(config, "0004-1")
    world.database.migrate()
    with world.database.read() as connection:
        assert connection.execute(sa.select(schema.blob_uses).order_by(schema.blob_uses.c.sha256)).all() == uses


def test_an_unknown_capture_cannot_be_erased(world: World) -> None:
    with pytest.raises(LookupError):
        world.erasures.erase("nobody")


def test_facts_are_still_written_once(world: World) -> None:
    world.register("a")
    world.captures.put("a", "fingerprint", world.fingerprint("a"))
    world.captures.put("a", "fingerprint", world.fingerprint("a"))
    with pytest.raises(Conflict):
        world.captures.put("a", "fingerprint", world.fingerprint("a", b"another"))
    assert world.rows("blob_uses") == 2
