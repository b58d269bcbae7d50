"""Which captures may be of use to strangers, a page at a time, on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.record import Asset, Request, Rights
from store.captures import CaptureRecords
from store.catalogue import Catalogue
from store.database import Database
from store.erasure import Erasures
from store.orders import Orders
from tests.contracts_of.fingerprint_table import ON_POSTGRES
from tests.databases import give_tables

FREE, OPEN, CLOSED = Rights(ai_training="allowed"), Rights(licence="cc-by-4.0"), Rights()


@pytest.fixture(params=["sqlite", *ON_POSTGRES[-1:]])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/c.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = Database(url)
    give_tables(made)
    yield made
    made.close()


def add(database: Database, name: str, rights: Rights, published: bool = True) -> None:
    asset = Asset(name.encode().ljust(32), "image/jpeg", 1)
    CaptureRecords(database).register(name, "ada", bytes(20), Request(rights, published=published), asset)


def walked(catalogue: Catalogue, use: str, limit: int) -> list[list[str]]:
    """Every page of a walk."""
    pages, after = list[list[str]](), ""
    while True:
        found, further = catalogue.page(after, use, limit)
        pages.append(found)
        if further is None:
            return pages
        assert further > after
        after = further


def test_what_gives_something_away_is_found_and_works_always(database: Database) -> None:
    for number, rights in enumerate((FREE, CLOSED, OPEN, CLOSED, FREE)):
        add(database, f"a{number}", rights)
    orders = Orders(database)
    wish = orders.add("a3", "ada", "asset", {}, "work")
    catalogue = Catalogue(database)
    assert walked(catalogue, "ai-training", 9) == [["a0", "a4"]]
    orders.done(wish, {})
    assert walked(catalogue, "ai-training", 9) == [["a0", "a3", "a4"]]
    assert walked(catalogue, "commercial", 9) == [["a2", "a3"]]
    erasures = Erasures(database, lambda sha256: None, lambda owner, sha256: bytes(32))
    erasures.erase("a0")
    assert walked(catalogue, "ai-training", 9) == [["a3", "a4"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_a_walk_meets_each_once_however_few_a_page_has(database: Database, limit: int) -> None:
    free = [0, 5, 6, 7]
    for number in range(9):
        add(database, f"b{number}", FREE if number in free else CLOSED)
    for most_read in (2, 3, 9, 100):
        pages = walked(Catalogue(database, most_read), "ai-training", limit)
        assert [name for page in pages for name in page] == [f"b{number}" for number in free]
        assert all(len(page) <= limit for page in pages)


def test_no_page_and_no_cursor_tells_of_a_private_photo(database: Database) -> None:
    private = [f"{letter}2345678901234567890abcd" for letter in "abc"]
    for name in private:
        add(database, name, FREE, published=False)
    add(database, "d2345678901234567890abcd", FREE)
    for most_read, limit in ((1, 1), (2, 1), (2, 9), (9, 1)):
        catalogue, after, shown = Catalogue(database, most_read), "", list[str]()
        while True:
            found, further = catalogue.page(after, "ai-training", limit)
            shown += found
            if further is None:
                break
            after = further
            assert after not in private
        assert shown == ["d2345678901234567890abcd"]
