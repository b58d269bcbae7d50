"""What clients ask before and after they send, on each database: known digests, quotas, changes, Idempotency-Keys."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.errors import Unavailable
from pipeline.record import Asset, Manifest, Request, Rights
from store import schema
from store.amendments import MOST_HELD_S, Amendments, TooLate
from store.captures import CaptureRecords
from store.changes import Changes
from store.database import Database, as_text
from store.erasure import Erasures
from store.idempotency import KEPT, KeyReused, forget_keys
from store.keys import ApiKeys
from store.known import Known, tags_under
from store.quotas import Charge, Limits, OverQuota, Quotas
from tests.contracts_of.fingerprint_table import ON_POSTGRES
from tests.databases import give_tables
from tests.forks import FORKS

REQUEST = Request(Rights(creator="Ada"))
MANIFEST = Manifest(b"m" * 32, 1, "urn", b"s" * 32, 1, "image/jpeg", "us", "trusted", b"t" * 32)


class Asked:
    """A database, and what is asked of it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = Database(url)
        self.records = CaptureRecords(self.database)
        self.tag_of = tags_under(folder / "keys" / "erased.key")
        self.known = Known(self.database, self.tag_of)
        self.erasures = Erasures(self.database, lambda sha256: None, self.tag_of)
        self.amendments = Amendments(self.database)

    def register(self, name: str, sha256: bytes, owner: str = "o", size: int = 7, **more: object) -> str:
        asset = Asset(sha256, "image/jpeg", size)
        return self.records.register(name, owner, bytes(20), REQUEST, asset, **more)  # type: ignore[arg-type]

    def charge(self, **limits: int) -> Charge:
        keys = ApiKeys(self.database)
        key = keys.find(keys.add("phone", frozenset({"capture"}), Rights(), lambda owner: bytes(20), lambda key: None))
        assert key is not None
        assert keys.limit(key.id, **limits)
        again = keys.all()[-1]
        return Charge(key.id, Limits.of(again, Limits(10**9, 10**9, 1)))

    def set(self, table: sa.Table, **values: object) -> None:
        with self.database.write() as connection:
            connection.execute(table.update().values(**values))


@pytest.fixture(params=["sqlite", *ON_POSTGRES[-1:]])
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asked]:
    url = f"sqlite:///{tmp_path}/c.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = Asked(url, tmp_path)
    give_tables(made.database)
    yield made
    made.database.close()


def _states(asked: Asked, *digests: bytes, owner: str = "o") -> list[str]:
    return [found.state for found in asked.known.standing(owner, digests)]


def test_known_unknown_and_erased_are_told_apart_to_their_owner_alone(asked: Asked) -> None:
    here, gone, other = b"h" * 32, b"g" * 32, b"x" * 32
    asked.register("a", here)
    asked.register("b", gone)
    asked.erasures.erase("b")
    assert _states(asked, gone, here, other, gone) == ["erased", "known", "unknown", "erased"]
    assert asked.known.standing("o", [here])[0].capture_id == "a"
    assert _states(asked, here, gone, owner="p") == ["unknown", "unknown"]
    assert _states(asked) == []


def test_what_was_erased_and_is_sent_again_is_known_again_and_may_be_erased_again(asked: Asked) -> None:
    gone = b"g" * 32
    for name in "abc":
        assert asked.register(name, gone) == name
        assert _states(asked, gone) == ["known"]
        asked.erasures.erase(name)
        assert _states(asked, gone) == ["erased"]


def test_without_the_key_file_nothing_tells_what_was_erased(asked: Asked, tmp_path: Path) -> None:
    gone = secrets.token_bytes(32)
    asked.register("a", gone)
    asked.erasures.erase("a")
    with asked.database.read() as connection:
        columns = [[bytes(value) for value in row] for row in connection.execute(sa.select(schema.erased_digests))]
    assert columns == [[asked.tag_of("o", gone)]], "the keyed digest, and neither owner, nor capture, nor time"
    thief = Known(asked.database, tags_under(tmp_path / "another" / "erased.key"))
    assert thief.standing("o", [gone])[0].state == "unknown"
    assert tags_under(tmp_path / "keys" / "erased.key")("o", gone) == asked.tag_of("o", gone), "the key is kept"
    assert (tmp_path / "keys" / "erased.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "keys" / "erased.key").write_bytes(b"short")
    with pytest.raises(ValueError, match="backup"):
        tags_under(tmp_path / "keys" / "erased.key")


def test_a_quota_is_kept_by_what_is_registered(asked: Asked) -> None:
    charge = asked.charge(bytes_a_day=100, captures_an_hour=3)
    quotas = Quotas(asked.database)
    assert asked.register("a", b"a" * 32, size=60, charge=charge) == "a"
    quotas.admit(charge, 40)
    with pytest.raises(OverQuota) as over:
        quotas.admit(charge, 41)
    assert (over.value.kind, over.value.limit) == ("bytes", 100)
    assert 0 < over.value.retry_in_s <= 86_401
    assert asked.register("b", b"a" * 32, size=60, charge=charge) == "a", "a repeat stores nothing and uses nothing"
    with pytest.raises(OverQuota):
        asked.register("b", b"b" * 32, size=41, charge=charge)
    with pytest.raises(LookupError):
        asked.records.get("b")
    asked.register("c", b"c" * 32, size=1, charge=charge)
    asked.register("d", b"d" * 32, size=1, charge=charge)
    assert [(use.kind, use.left) for use in quotas.use(charge)] == [("bytes", 38), ("captures", 0)]
    with pytest.raises(OverQuota) as over:
        asked.register("e", b"e" * 32, size=1, charge=charge)
    assert over.value.kind == "captures"
    again = Database(asked.database.url)  # as after a restart
    assert Quotas(again).use(charge)[0].left == 38
    again.close()


def test_a_new_day_begins_anew_and_a_clock_set_back_does_not(asked: Asked) -> None:
    charge, quotas = asked.charge(bytes_a_day=100, captures_an_hour=0), Quotas(asked.database)
    asked.register("a", b"a" * 32, size=100, charge=charge)
    tomorrow, yesterday = ((datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%d") for days in (1, -1))
    asked.set(schema.quota_use, period=tomorrow)
    with pytest.raises(OverQuota):
        asked.register("b", b"b" * 32, size=1, charge=charge)
    asked.set(schema.quota_use, period=yesterday)
    assert quotas.use(charge)[0].left == 100
    asked.register("b", b"b" * 32, size=1, charge=charge)
    assert quotas.use(charge)[0].left == 99


def _spend(url: str, folder: Path, charge: Charge, name: str) -> None:
    asked = Asked(url, folder)
    for place in range(10):
        sha256 = f"{name}{place}".encode().ljust(32)
        try:
            asked.register(f"{name}{place}", sha256, size=10, charge=charge)
        except OverQuota:
            continue
    asked.database.close()


def test_several_processes_together_use_no_more_than_one_may(asked: Asked, tmp_path: Path) -> None:
    charge = asked.charge(bytes_a_day=155, captures_an_hour=0)
    workers = [FORKS.Process(target=_spend, args=(asked.database.url, tmp_path, charge, name)) for name in "xyz"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert asked.records.counts()["all"] == 15
    assert Quotas(asked.database).use(charge)[0].used == 150


def test_what_was_asked_changes_until_it_is_signed(asked: Asked) -> None:
    asked.register("a", b"a" * 32, hold_s=60)
    assert asked.records.lease("a", "w") is None, "held"
    assert asked.records.take_waiting(9) == []
    hidden = lambda request: replace(request, published=False)  # noqa: E731
    asked.amendments.amend("a", hidden, hold_s=60)
    assert asked.records.lease("a", "w") is None, "held again"
    asked.amendments.amend("a", lambda request: replace(request, keep_location=True))
    assert asked.records.get("a").request == replace(REQUEST, published=False, keep_location=True)
    token = asked.records.lease("a", "w")
    assert token is not None
    with pytest.raises(TooLate, match="worker"):
        asked.amendments.amend("a", lambda request: REQUEST)
    asked.records.release("a", token)
    asked.amendments.amend("a", lambda request: replace(request, keep_location=False))
    asked.records.put("a", "manifest", MANIFEST)
    with pytest.raises(TooLate, match="signed"):
        asked.amendments.amend("a", lambda request: REQUEST)
    assert asked.records.get("a").request == replace(REQUEST, published=False)


def test_a_worker_slower_than_its_lease_cannot_sign_what_was_changed_meanwhile(asked: Asked) -> None:
    asked.register("a", b"a" * 32)
    token = asked.records.lease("a", "slow")
    asked.set(schema.captures, lease_until_ms=1)
    asked.amendments.amend("a", lambda request: replace(request, published=False))
    with pytest.raises(Unavailable):
        asked.records.put("a", "manifest", MANIFEST, token)
    assert asked.records.lease("a", "next") is not None


def test_a_hold_ends_by_itself_an_hour_after_the_upload_at_the_latest(asked: Asked) -> None:
    asked.register("a", b"a" * 32, hold_s=60)
    asked.set(schema.captures, lease_until_ms=1, ring_at_ms=1)  # the time went by, and nobody came back
    assert asked.records.take_waiting(9) == ["a"]
    asked.set(schema.captures, created_at=as_text(datetime.now(UTC) - timedelta(seconds=MOST_HELD_S)))
    asked.amendments.amend("a", lambda request: request, hold_s=60)
    assert asked.records.lease("a", "w") is not None, "no hold reaches further"


def test_other_rights_leave_the_hold_and_are_told(asked: Asked) -> None:
    asked.register("a", b"a" * 32, hold_s=60)
    changes = Changes(asked.database)
    before, eve = changes.newest(), Rights(creator="Eve")
    for _ in range(2):
        asked.amendments.amend("a", lambda request: replace(request, rights=eve), hold_s=None)
        assert asked.records.lease("a", "w") is None, "as long as it was held"
    assert asked.records.take_waiting(9) == []
    assert changes.newest() > before
    assert [change.type for change in changes.after(before, 9, owner="o")] == ["capture.rights"], "once"
    asked.set(schema.captures, lease_until_ms=1)
    asked.amendments.amend("a", lambda request: request, hold_s=None)
    assert asked.records.lease("a", "w") is not None, "what was not held any more is not held by this"


def test_an_erased_capture_is_not_changed(asked: Asked) -> None:
    asked.register("a", b"a" * 32, hold_s=60)
    asked.erasures.erase("a")
    asked.amendments.amend("a", lambda request: replace(request, rights=Rights(creator="Eve")), hold_s=60)
    with asked.database.read() as connection:
        row = connection.execute(sa.select(schema.captures)).one()
    assert ("Eve" in row.request, row.lease_until_ms) == (False, 0)


def test_an_idempotency_key_stands_for_a_day(asked: Asked) -> None:
    asked.register("a", b"a" * 32, idempotency=("k", b"1" * 32))
    with pytest.raises(KeyReused):
        asked.register("b", b"b" * 32, idempotency=("k", b"2" * 32))
    assert forget_keys(asked.database) == 0
    asked.set(schema.idempotency, created_at=as_text(datetime.now(UTC) - KEPT))
    assert asked.records.idempotent("o", "k", b"1" * 32) is None
    assert asked.register("b", b"b" * 32, idempotency=("k", b"2" * 32)) == "b", "the key is free again"
    assert asked.records.idempotent("o", "k", b"2" * 32) == "b"
    asked.set(schema.idempotency, created_at=as_text(datetime.now(UTC) - KEPT))
    assert forget_keys(asked.database) == 1
