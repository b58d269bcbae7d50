"""The log's routes over a log of several tiles: C2SP tlog-tiles, as a client that was not written by us would ask."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from capture_api import create_app
from capture_api.log import _place
from ledger.cosignature import Cosigner
from ledger.sequence import sequence
from ledger.tree import root
from settings import load_settings
from tests.ledger.log_world import World
from tests.ledger.witness_world import cosigner
from wiring import Services

IMMUTABLE = "public, max-age=31536000, immutable"
SIZES = (256, 300)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A log of two checkpoints; its first tile is full."""
    home = tmp_path_factory.mktemp("home")
    world = World.make(home)
    world.seal_many(SIZES[-1])
    assert [sequence(world.log, world.signer, count) for count in (256, 44)] == [256, 44]
    return world


@pytest.fixture(scope="module")
def client(world: World) -> FlaskClient:
    file = str(world.database.engine.url.database)
    return create_app(Services(load_settings({"CAPTURE_HOME": str(Path(file).parent)}))).test_client()


def test_tiles_of_every_signed_size_are_served_and_may_be_kept_for_ever(client: FlaskClient, world: World) -> None:
    for place, level, number, width in (
        ("0/000", 0, 0, 256), ("0/001.p/44", 0, 1, 44), ("1/000.p/1", 1, 0, 1), ("0/000.p/255", 0, 0, 255),
        ("0/001.p/7", 0, 1, 7),
    ):  # fmt: skip
        answer = client.get(f"/log/tile/{place}")
        assert (answer.status_code, answer.content_type) == (200, "application/octet-stream"), place
        assert answer.headers["Cache-Control"] == IMMUTABLE
        assert answer.data == world.log.tile(level, number)[: width * 32]
    assert client.get("/log/tile/1/000.p/1").data == root(256, world.log)


@pytest.mark.parametrize("place", ["0/001", "0/001.p/45", "1/000", "1/000.p/2", "2/000.p/1", "0/002.p/1", "1/001.p/1"])
def test_a_tile_that_is_not_that_wide_yet_is_not_there(client: FlaskClient, place: str) -> None:
    answer = client.get(f"/log/tile/{place}")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers.get("Cache-Control", "")


def test_numbers_are_in_groups_of_three() -> None:
    assert _place("0", "x001/234") == (1234, 256)
    assert _place("63", "x001/x234/067.p/1") == (1_234_067, 1)
    assert _place("9", "999.p/255") == (999, 255)


def test_checkpoints_with_their_cosignatures(client: FlaskClient, world: World) -> None:
    assert client.get("/log/checkpoint/witnessed").status_code == 404
    witness: Cosigner = cosigner("w1")
    for size in SIZES:
        note = world.log.checkpoint(size)
        line = witness.cosign(note.split("\n\n")[0] + "\n", 1)
        world.log.record_cosignature(size, witness.vkey.key_id.hex(), line)
        world.log.record_cosignature(size, witness.vkey.key_id.hex(), "another line")  # the first one stays
        for path in (f"/log/checkpoint/{size}", "/log/checkpoint/witnessed"):
            answer = client.get(path)
            assert answer.text == note + line
            assert answer.content_type == "text/plain; charset=utf-8"
            assert answer.headers["Cache-Control"] == "no-cache"
    assert client.get("/log/checkpoint").text == world.log.checkpoint(300)
    for unsigned in ("255", "301", str(2**70)):
        assert client.get(f"/log/checkpoint/{unsigned}").status_code == 404
