"""The contract of the queue, on the embedded Valkey: it rings, it forgets nothing when killed, it never runs code."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import rq
from rq.serializers import JSONSerializer

from pipeline.errors import Unavailable
from store.bell import LEDGER, PHOTO_JOB, PHOTOS, Bell
from supervisor import valkey


class Server:
    """A Valkey server of the kind that `capture up` starts."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(valkey.command(self.home), stdout=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not valkey.ready(self.home):
            assert time.monotonic() < end
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def bell(server: Server) -> Iterator[Bell]:
    bell = Bell(valkey.url(server.home))
    yield bell
    bell.close()


def test_rings_are_jobs_with_an_id_and_no_code(bell: Bell) -> None:
    bell.photo("abc")
    queue = rq.Queue(PHOTOS, connection=bell.connection, serializer=JSONSerializer)
    (job,) = queue.jobs
    assert (job.func_name, job.args) == (PHOTO_JOB, ["abc"])
    assert bell.length(PHOTOS) == 1


def test_the_ledger_hears_one_ring_for_many_leaves(bell: Bell) -> None:
    for _ in range(5):
        bell.ledger()
    assert bell.length(LEDGER) == 1
    bell.heard()
    bell.ledger()
    assert bell.length(LEDGER) == 2


def test_a_killed_server_keeps_what_it_was_told(server: Server, bell: Bell) -> None:
    for number in range(200):
        bell.photo(str(number))
    time.sleep(1.1)  # the append-only file is synced every second: a power cut loses at most that, a kill nothing
    server.kill()
    server.start()
    assert bell.length(PHOTOS) == 200


def test_a_dead_server_stops_no_request(server: Server, bell: Bell) -> None:
    server.kill()
    bell.photo("abc")
    bell.ledger()
    with pytest.raises(Unavailable):
        bell.check()
    with pytest.raises(Unavailable):
        bell.ask("incoming/x", "00", "image/jpeg", 1)


def test_a_question_without_a_worker_is_answered_in_time(bell: Bell) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match="no photo worker"):
        bell.ask("incoming/x", "00", "image/jpeg", 1)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("by_stranger", [False, True])
def test_an_answer_reaches_who_asked_and_is_not_kept(server: Server, bell: Bell, by_stranger: bool) -> None:
    bell.photo("a job that waits")
    queue = rq.Queue(PHOTOS, connection=bell.connection, serializer=JSONSerializer)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(bell.ask, "incoming/x", "00", "image/jpeg", 10, by_stranger)
        while queue.count < 2:
            time.sleep(0.01)
        place = 1 if by_stranger else 0  # strangers wait until the work is done
        *question, reply, told = queue.jobs[place].args
        assert (question, told) == (["incoming/x", "00", "image/jpeg"], by_stranger)
        bell.reply(reply, {"verdict": "an answer that tells of a photo"})
        assert asked.result(5) == {"verdict": "an answer that tells of a photo"}
    bell.connection.config_set("appendfsync", "always")
    bell.photo("b")
    kept = b"".join(file.read_bytes() for file in server.home.rglob("*") if file.is_file())
    assert b"a job that waits" in kept
    assert b"an answer that tells" not in kept


def test_an_answer_that_nobody_waits_for_is_gone(bell: Bell) -> None:
    bell.reply("capture:reply:1", {"verdict": "original"})
    assert bell.connection.keys("capture:reply:*") == []


def test_nobody_else_on_the_machine_may_connect(server: Server) -> None:
    assert valkey.socket_path(server.home).stat().st_mode & 0o777 == 0o600


def test_a_deep_home_gets_a_short_socket() -> None:
    deep = Path("/" + "very-long-folder-name/" * 8)
    assert len(str(valkey.socket_path(deep))) < valkey.MAX_SOCKET_PATH_BYTES
    assert valkey.socket_path(deep) == valkey.socket_path(deep)
    assert valkey.socket_path(deep) != valkey.socket_path(deep / "other")
