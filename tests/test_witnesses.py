"""The whole service with witnesses and a monitor, each a process of its own; then its log forks, with its real key."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger import cosigning
from ledger.checkpoint import CheckpointSigner, parse, verify
from ledger.cosignature import cosigned_at
from ledger.cosigning import ask
from ledger.sequence import sequence
from pipeline.errors import Rejected
from settings import Engines, load_settings
from tests.ledger.log_world import World
from tests.ledger.monitor_world import served
from tests.ledger.witness_world import Process, cosigner, liar
from tests.photos import small_jpeg
from tests.service import ROOT, Running, free_port


class Deployment:
    """A service, the witness that is honest, and one that lies; a third is dead."""

    def __init__(self, folder: Path, lying: cosigning.Witness) -> None:
        self.folder = folder
        home = folder / "data"
        home.mkdir(mode=0o700)
        (home / "keys").mkdir(mode=0o700)
        self.signer = CheckpointSigner.load_or_make(home / "keys/log", None)
        self.vkey = str(self.signer.vkey)
        self.process = Process(folder / "witness", self.vkey)
        self.honest = self.process.start()
        dead = cosigning.Witness.parse(f"http://127.0.0.1:{free_port()}", str(cosigner("dead").vkey))
        witnesses = " ".join(f"{one.url} {one.key}" for one in (dead, lying, self.honest))
        self.service = Running(home, CAPTURE_WITNESSES=witnesses).start()

    def close(self) -> None:
        """End everything."""
        self.service.stop()
        self.process.stop()

    def monitor(self, *options: str, log: str | None = None, state: str = "state.json") -> subprocess.Popen[str]:
        """`capture monitor` of this deployment's log and contract, or of what `log` shows in its place."""
        capture = self.service.ask("GET", "/log/checkpoint", key=None)
        assert capture.status == 200
        command = ["monitor", "--log", log or f"{self.service.base}/log", "--key", self.vkey,
                   "--rpc", self.rpc, "--contract", self.contract, "--from-block", "0", "--interval", "0.2",
                   "--state", str(self.folder / state), *options]  # fmt: skip
        return subprocess.Popen([sys.executable, "-m", "cli", *command], cwd=ROOT, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip

    @property
    def rpc(self) -> str:
        """The chain's address."""
        return Engines.read(load_settings(self.service.environ)).chain_url

    @property
    def contract(self) -> str:
        """The contract that a capture says it is anchored in."""
        return str(self.service.register(small_jpeg(9000)).json["anchor"]["contract"])


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with liar("liar") as (told, lying):
        told.body = cosigner("somebody else").cosign("no checkpoint\n", 1).encode()
        made = Deployment(tmp_path_factory.mktemp("deployment"), lying)
        yield made
        made.close()


def until(found: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_honest_witness_cosigns_and_the_others_delay_nothing(deployment: Deployment) -> None:
    service = deployment.service
    began = time.monotonic()
    capture = service.register(small_jpeg(9001))
    assert capture.json["status"] == "anchored"
    assert time.monotonic() - began < 10
    until(lambda: len(parse(service.ask("GET", "/log/checkpoint", key=None).body.decode()).signatures) == 2)
    note = service.ask("GET", "/log/checkpoint", key=None).body.decode()
    size = verify(note, deployment.vkey).size
    assert abs(cosigned_at(parse(note), deployment.honest.key) - time.time()) < 60
    assert service.ask("GET", "/log/checkpoint/witnessed", key=None).body.decode() == note
    assert service.ask("GET", f"/log/checkpoint/{size}", key=None).body.decode() == note
    for path in ("/log/checkpoint/999999", "/log/checkpoint/0", "/log/checkpoint/x"):
        assert service.ask("GET", path, key=None).status == 404
    receipt = service.ask("GET", capture.json["links"]["receipt"]).json
    assert receipt["checkpoint"] == note  # the receipt carries the witness's word with it
    (deployment.folder / "receipt.json").write_text(json.dumps(receipt))
    (deployment.folder / "photo.jpg").write_bytes(small_jpeg(9001))
    told = service.command("verify", str(deployment.folder / "receipt.json"), str(deployment.folder / "photo.jpg"))
    assert told.returncode == 0, told.stdout
    assert f"capture_log_witnessed_size {size}.0" in service.ask("GET", "/metrics").body.decode()
    log = service.log()
    assert "no cosignature by witness.example/dead, asked again later" in log
    assert "no cosignature by witness.example/liar, asked again later" in log
    assert "Traceback" not in log


def test_the_monitor_follows_the_service_and_serves_numbers(deployment: Deployment) -> None:
    port = free_port()
    process = deployment.monitor("--metrics-listen", f"127.0.0.1:{port}", "--metrics-file",
                                 str(deployment.folder / "metrics.prom"))  # fmt: skip
    try:
        assert process.stdout
        assert re.fullmatch(r"\S+Z checkpoint size=\d+ root=[0-9a-f]{64} after=0\n", process.stdout.readline())
        assert re.fullmatch(r"\S+Z anchored size=1 root=[0-9a-f]{64} block=\d+\n", process.stdout.readline())
        deployment.service.register(small_jpeg(9002))
        size = parse(deployment.service.ask("GET", "/log/checkpoint", key=None).body.decode()).checkpoint.size

        def numbers() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return str(answer.read().decode())

        until(lambda: f"capture_monitor_anchored_size {size}.0" in numbers())
        until(lambda: f"capture_monitor_log_size {size}.0" in numbers())
        assert 'capture_monitor_up{who="log"} 1.0' in numbers()
        assert 'capture_monitor_events_total{event="fork"} 0.0' in numbers()
        until(lambda: f"log_size {size}.0" in (deployment.folder / "metrics.prom").read_text())
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in rest


def test_once_says_how_it_stands(deployment: Deployment) -> None:
    for expected in (["checkpoint", "anchored"], []):
        process = deployment.monitor("--once", state="once.json")
        told, _ = process.communicate(timeout=30)
        assert process.returncode == 0, told
        assert {line.split(" ")[1] for line in told.splitlines()} >= set(expected)
    process = deployment.monitor("--once", log="http://127.0.0.1:1/log", state="once.json")
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 3
    assert " trouble who=log why=" in told


def test_a_monitor_that_is_killed_has_kept_what_it_told(deployment: Deployment) -> None:
    process = deployment.monitor(state="killed.json")
    assert process.stdout
    told = re.search(r" checkpoint size=(\d+) ", process.stdout.readline())
    process.kill()
    process.communicate()
    assert told
    state = json.loads((deployment.folder / "killed.json").read_text())
    assert parse(state["note"]).checkpoint.size == int(told[1])


@pytest.fixture
def forked(deployment: Deployment, tmp_path: Path) -> Iterator[tuple[World, str]]:
    """Another history under the service's real key, longer than the true one, and where it is shown."""
    world = World.make(tmp_path)
    world.seal_many(60)
    sequence(world.log, deployment.signer, 100)
    with served(world.log) as (url, _):
        yield world, url


def test_the_witness_refuses_a_fork_by_the_real_key(deployment: Deployment, forked: tuple[World, str]) -> None:
    deployment.service.register(small_jpeg(9003))
    until(lambda: len(parse(deployment.service.ask("GET", "/log/checkpoint", key=None).body.decode()).signatures) == 2)
    with pytest.raises(Rejected, match=r"refuses 60 leaves after \d+ with 422"):
        ask(deployment.honest, forked[0].log.newest_checkpoint(), 0, forked[0].log)


def test_the_monitor_reports_a_fork_by_the_real_key(deployment: Deployment, forked: tuple[World, str]) -> None:
    """It followed the true log; then somebody shows it another one: at once, and after a restart again."""
    process = deployment.monitor("--once", state="fork.json")
    assert process.wait(30) == 0
    process.communicate()
    for number in (1, 2):
        process = deployment.monitor(log=forked[1], state="fork.json")
        told, _ = process.communicate(timeout=30)
        assert process.returncode == 4, told
        assert " fork why=" in told.splitlines()[-1]
        files = sorted(deployment.folder.glob("fork.fork-*.json"))
        assert len(files) == number
        evidence = json.loads(files[-1].read_text())
        older, newer = (verify(evidence[name], deployment.vkey) for name in ("older", "newer"))
        assert bytes.fromhex(evidence["root_in_newer"]) != older.root
        assert newer.size == 60
        time.sleep(1.1)  # the next file's name


def test_a_monitor_that_never_saw_the_true_log_finds_it_on_the_chain(
    deployment: Deployment, forked: tuple[World, str]
) -> None:
    process = deployment.monitor("--once", log=forked[1], state="new.json")
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 4, told
    assert "the chain has another root for" in told
    (file,) = deployment.folder.glob("new.fork-*.json")
    assert json.loads(file.read_text())["on_chain"]["transaction"].startswith("0x")


def test_a_key_that_is_no_witnesss_stops_the_start(deployment: Deployment, tmp_path: Path) -> None:
    wrong = Running(tmp_path / "data", CAPTURE_WITNESSES=f"https://witness.example {deployment.vkey}")
    with pytest.raises(RuntimeError, match="is a log's: a witness prints its own when it starts"):
        wrong.start()
    assert "Traceback" not in wrong.log()
