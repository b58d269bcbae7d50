"""How often anybody may ask without a key."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from capture_api import create_app
from capture_api.strangers import AT_ONCE, Allowance
from settings import load_settings
from tests.photos import jpeg
from wiring import Services

ASK = "/services/supportedAlgorithms"


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_allowance_ends_and_comes_back_with_the_minute() -> None:
    clock = Clock()
    allowance = Allowance(2, clock)
    assert [allowance.spend("a") for _ in range(4)] == [(1, 60), (0, 60), (-1, 60), (-1, 60)]
    assert allowance.spend("b") == (1, 60)
    clock.now = 59.5
    assert allowance.spend("a") == (-1, 1)
    clock.now = 60
    assert allowance.spend("a") == (1, 60)


def test_an_allowance_is_not_overdrawn_by_many_at_once() -> None:
    allowance = Allowance(100, Clock())
    start = threading.Barrier(8)

    def ask(_: int) -> int:
        start.wait()
        return sum(allowance.spend("a")[0] >= 0 for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 100


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    environ = {"CAPTURE_HOME": str(tmp_path), "CAPTURE_RATE_LIMITS": "2 1"}
    return create_app(Services(load_settings(environ))).test_client()


def ask(client: FlaskClient, address: str, forwarded: str | None = None) -> TestResponse:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return client.get(ASK, environ_base={"REMOTE_ADDR": address}, headers=headers)


def test_who_asks_too_often_is_told_when_to_come_back(client: FlaskClient) -> None:
    first = ask(client, "192.0.2.1")
    assert (first.status_code, first.headers["RateLimit-Policy"]) == (200, '"lookups";q=2;w=60')
    assert first.headers["RateLimit"].startswith('"lookups";r=1;t=')
    assert ask(client, "192.0.2.1").status_code == 200
    refused = ask(client, "192.0.2.1")
    assert (refused.status_code, refused.mimetype) == (429, "application/problem+json")
    assert refused.json and refused.json["type"] == "/docs#problem-too-many-requests"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"].startswith('"lookups";r=0;')
    assert ask(client, "192.0.2.2").status_code == 200


def test_photos_have_an_allowance_of_their_own(client: FlaskClient) -> None:
    photo = client.post("/matches/byContent", data=b"junk", content_type="image/jpeg")
    assert (photo.status_code, photo.headers["RateLimit-Policy"]) == (415, '"photos";q=1;w=60')
    assert client.post("/v1/matches/byContent", data=b"junk", content_type="image/jpeg").status_code == 429
    assert client.get(ASK).status_code == 200


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        (("127.0.0.1", "192.0.2.1"), ("127.0.0.1", "192.0.2.2"), False),
        (("127.0.0.1", "192.0.2.9, 192.0.2.1"), ("127.0.0.1", "192.0.2.8, 192.0.2.1"), True),
        (("192.0.2.1", "192.0.2.9"), ("192.0.2.1", "192.0.2.8"), True),
        (("127.0.0.1", "nonsense"), ("127.0.0.1", None), True),
        (("2001:db8::1", None), ("2001:db8::2", None), True),
        (("2001:db8::1", None), ("2001:db8:0:1::1", None), False),
        (("::ffff:192.0.2.1", None), ("::ffff:192.0.2.2", None), False),
        (("::ffff:192.0.2.1", None), ("192.0.2.1", None), True),
        (("::ffff:127.0.0.1", "192.0.2.1"), ("::ffff:127.0.0.1", "192.0.2.2"), False),
    ],
)
def test_who_is_one_client(
    client: FlaskClient, first: tuple[str, str | None], second: tuple[str, str | None], are_one: bool
) -> None:
    for _ in range(2):
        assert ask(client, *first).status_code == 200
    assert ask(client, *second).status_code == (429 if are_one else 200)


def test_the_check_page_says_it_as_a_page(client: FlaskClient) -> None:
    first, second = (
        client.post("/verify", data={"file": (io.BytesIO(b"junk"), "a.jpg")}, environ_base={"REMOTE_ADDR": "192.0.2.1"})
        for _ in range(2)
    )
    assert (first.status_code, first.mimetype) == (415, "text/html")
    assert (second.status_code, second.mimetype) == (429, "text/html")
    assert "Ask again in" in second.text and 0 < int(second.headers["Retry-After"]) <= 60


def test_only_so_many_photos_wait_at_once(tmp_path: Path) -> None:
    app = create_app(Services(load_settings({"CAPTURE_HOME": str(tmp_path)})))
    turns = app.extensions["capture_strangers"].turns
    for _ in range(AT_ONCE):
        assert turns.acquire(blocking=False)
    photo = {"data": jpeg(1, 64, 64), "content_type": "image/jpeg"}
    refused = app.test_client().post("/matches/byContent", **photo)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    turns.release()
    # Now there is a turn, but no service runs here: it is given back all the same.
    assert app.test_client().post("/matches/byContent", **photo).status_code == 500
    assert turns.acquire(blocking=False)
