"""The signing process within the whole service: killed again and again, rotated, revoked, run by somebody else."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from provenance import audit
from provenance.inspect import inspect
from tests.photos import jpeg
from tests.service import Running
from tests.signing_process import SigningProcess

UPLOADS = 16
ALL_ANCHORED_S = 90


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("signer") / "data", CAPTURE_PUBLIC_URL="https://capture.example/").start()
    yield running
    running.stop()


def upload(running: Running, photo: bytes) -> str:
    answer = running.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg")
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


def anchored(running: Running, capture_id: str) -> dict[str, object]:
    end = time.monotonic() + ALL_ANCHORED_S
    while (capture := running.ask("GET", f"/v1/captures/{capture_id}").json)["status"] != "anchored":
        assert time.monotonic() < end, running.log()[-3000:]
        time.sleep(0.1)
    assert isinstance(capture, dict)
    return capture


def judged(running: Running, photo: bytes) -> dict[str, str]:
    """The credentials as POST /v1/verify tells them."""
    found = running.ask("POST", "/v1/verify", photo, Content_Type="image/jpeg").json["credentials"]
    assert isinstance(found, dict)
    return found


def credentials_of(running: Running, capture_id: str, folder: Path) -> str:
    """What our own reader, with our own root, says of the signed photo."""
    (folder / "signed.jpg").write_bytes(running.ask("GET", f"/v1/captures/{capture_id}/file").body)
    root = running.ask("GET", "/keys/root.pem", key=None).body.decode()
    return inspect(folder / "signed.jpg", "image/jpeg", root).worst


@pytest.mark.timeout(240)
def test_killing_the_signer_again_and_again_loses_nothing(running: Running, tmp_path: Path) -> None:
    stop, killed = threading.Event(), []

    def kill() -> None:
        while not stop.wait(0.4):
            pid = running.processes()["signer"]
            if pid not in killed:
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            ids = list(pool.map(lambda seed: upload(running, jpeg(9100 + seed, 400, 300)), range(UPLOADS)))
        time.sleep(2)
    finally:
        stop.set()
        killer.join()
    assert len(killed) > 2
    for capture_id in ids:
        capture = anchored(running, capture_id)
        assert capture["manifest"]["state"] == "trusted"  # type: ignore[index]
        assert credentials_of(running, capture_id, tmp_path) == "trusted"
    assert audit.check(running.home / "audit") >= UPLOADS
    assert running.processes()["signer"] not in killed


@pytest.mark.timeout(120)
def test_a_rotation_while_photos_are_signed_costs_none_of_them(running: Running, tmp_path: Path) -> None:
    before = running.ask("GET", "/keys/chain.pem", key=None).body
    with ThreadPoolExecutor(2) as pool:
        photos = pool.map(lambda seed: upload(running, jpeg(9200 + seed, 400, 300)), range(8))
        rotated = running.command("keys", "rotate")
        ids = list(photos)
    assert rotated.returncode == 0, rotated.stderr
    after = running.ask("GET", "/keys/chain.pem", key=None).body
    assert x509.load_pem_x509_certificate(after) != x509.load_pem_x509_certificate(before)
    assert format(x509.load_pem_x509_certificate(after).serial_number, "x") in rotated.stdout
    for capture_id in ids:
        anchored(running, capture_id)
        assert credentials_of(running, capture_id, tmp_path) == "trusted"


def test_a_revoked_signer_is_told_by_verify(running: Running, tmp_path: Path) -> None:
    capture_id = str(running.register(jpeg(9300, 400, 300)).json["id"])
    signed = running.ask("GET", f"/v1/captures/{capture_id}/file").body
    assert judged(running, signed)["state"] == "trusted"
    leaf = x509.load_pem_x509_certificate(running.ask("GET", "/keys/chain.pem", key=None).body)
    serial = format(leaf.serial_number, "x")
    revoked = running.command("keys", "revoke", serial, "--reason", "keyCompromise", "--since", "2026-11-01T08:00Z")
    assert "a new one signs from now on" in revoked.stdout, revoked.stderr
    found = judged(running, signed)
    assert (found["state"], found["worst"]) == ("invalid", "invalid")
    assert "certificate was revoked since 2026-11-01 08:00 UTC (keyCompromise)" in found["reason"]
    der, pem = (running.ask("GET", f"/keys/crl.{kind}", key=None) for kind in ("der", "pem"))
    assert der.headers["Content-Type"] == "application/pkix-crl"
    assert x509.load_der_x509_crl(der.body) == x509.load_pem_x509_crl(pem.body)
    assert x509.load_der_x509_crl(der.body).get_revoked_certificate_by_serial_number(leaf.serial_number)
    points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name[0].value == "https://capture.example/keys/crl.der"
    listed = running.command("keys", "list").stdout
    assert f"{serial}  revoked since 2026-11-01 08:00 (keyCompromise)" in listed
    fresh = running.register(jpeg(9301, 400, 300)).json
    assert fresh["manifest"]["state"] == "trusted"
    again = running.ask("GET", f"/v1/captures/{fresh['id']}/file").body
    assert judged(running, again)["state"] == "trusted"


def test_the_doctor_says_how_long_photos_will_be_valid(running: Running) -> None:
    told = running.command("doctor").stdout
    assert "ok      signer" in told and "no time-stamps (CAPTURE_TSA_URL): photos read as invalid after 203" in told


def test_the_workers_and_the_api_have_no_key(running: Running) -> None:
    """Their memory is read, as root may: the key's own number is in none of them."""
    if os.geteuid() != 0:
        pytest.skip("only root may read other processes' memory")
    from provenance.keyfiles import read_pair

    secret = read_pair(running.home / "keys/c2pa/leaf.pem").key.private_numbers().private_value
    needles = [secret.to_bytes(32, "big"), secret.to_bytes(32, "little")]  # OpenSSL keeps it little end first
    found = {name for name, pid in running.processes().items() if any(needle in memory(pid) for needle in needles)}
    assert found == {"signer"}


def memory(pid: int) -> bytes:
    """Everything that a process may write to: its heap, its stacks."""
    pieces = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            start, end = (int(text, 16) for text in place.split("-"))
            if rights.startswith("rw") and end - start < 400_000_000:
                try:
                    mem.seek(start)
                    pieces.append(mem.read(end - start))
                except (OSError, OverflowError, ValueError):
                    continue
    return b"".join(pieces)


@pytest.mark.timeout(120)
def test_a_signing_process_that_somebody_else_runs(tmp_path: Path) -> None:
    signing = SigningProcess(tmp_path / "elsewhere").start()
    running = Running(tmp_path / "data", CAPTURE_SIGNER_URL=signing.url)
    try:
        running.start()
        assert "signer" not in running.processes() and not (running.home / "keys/c2pa").exists()
        capture = running.register(jpeg(9400, 400, 300)).json
        assert capture["status"] == "anchored"
        assert running.ask("GET", "/keys/root.pem", key=None).body.decode() == signing.identity().root_pem
        assert credentials_of(running, capture["id"], tmp_path) == "trusted"
        assert "run this where it runs" in running.command("keys", "rotate").stderr
        signing.stop()
        ready = running.ask("GET", "/readyz")
        assert (ready.status, ready.json["engines"]["signer"]) == (503, "does not answer")
        waiting = upload(running, jpeg(9401, 400, 300))
        signing.start()
        anchored(running, waiting)
    finally:
        running.stop()
        signing.stop()


def test_a_service_without_its_signer_does_not_start_and_says_why(tmp_path: Path) -> None:
    outside = Running(tmp_path / "one", CAPTURE_SIGNER_URL=f"unix://{tmp_path}/none.sock")
    refused = outside.command("up", timeout=60)
    assert refused.returncode == 1 and f"the signer at {tmp_path}/none.sock did not answer" in refused.stderr
    damaged = Running(tmp_path / "two")
    (damaged.home / "keys" / "c2pa").mkdir(parents=True, mode=0o700)
    began = time.monotonic()
    refused = damaged.command("up", timeout=60)
    assert refused.returncode == 1 and "missing or damaged; restore the folder" in refused.stderr
    assert time.monotonic() - began < 30
