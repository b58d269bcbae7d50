"""The signing process: whom it answers and with what, what it writes down, and what a kill or a rotation costs."""

import errno
import hashlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pipeline.errors import Conflict, Unavailable
from provenance import audit
from provenance.certificates import public_key_of
from provenance.desk import CLAIM_START
from provenance.inspect import inspect
from provenance.keys import Identity, KeyFolder
from provenance.signer import MAX_SIGNED_BYTES, ask, identity_of
from provenance.signing import VISIT_S
from tests.photos import jpeg
from tests.provenance.orders import signed_copy
from tests.service import ROOT
from tests.signing_process import SigningProcess

CLAIM = CLAIM_START + b" what a claim's signature is over"
NOBODY = 65534
linux = pytest.mark.skipif(sys.platform != "linux", reason="what Linux alone offers")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningProcess]:
    signing = SigningProcess(tmp_path_factory.mktemp("signing") / "home").start()
    yield signing
    signing.stop()


def keys_of(signing: SigningProcess) -> KeyFolder:
    return KeyFolder(signing.home / "keys" / "c2pa")


def verified(signature: bytes, message: bytes, signing: SigningProcess) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key = public_key_of(signing.identity().leaf)
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    return len(signature) == 64


def command(word: str, signing: SigningProcess) -> str:
    """`capture keys WORD` where this process runs; what it says."""
    environ = os.environ | {"CAPTURE_HOME": str(signing.home)}
    words = [sys.executable, "-m", "cli", "keys", word]
    return subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout


def said(signing: SigningProcess, words: bytes) -> bytes:
    """Say this to the socket as it stands; what comes back."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(VISIT_S + 5)
        connection.connect(str(signing.socket))
        with suppress(BrokenPipeError):
            connection.sendall(words)
        with suppress(ConnectionResetError):
            return connection.recv(100_000)
    return b""


def test_a_claim_is_signed_and_nothing_of_the_key_is_told(signing: SigningProcess) -> None:
    identity = signing.identity()
    assert verified(identity.sign_es256(CLAIM), CLAIM, signing)
    answer = ask(signing.socket, {"chain": ""}, ("chain", "root", "crl"), 5)
    assert "PRIVATE" not in json.dumps(answer) and "PRIVATE" not in repr(identity)
    identity.check()


def test_a_photo_is_signed_through_the_socket(signing: SigningProcess, tmp_path: Path) -> None:
    identity = signing.identity()
    signed, _ = signed_copy(jpeg(31, 64, 48), "image/jpeg", tmp_path, identity)
    assert inspect(signed, "image/jpeg", identity.root_pem).state == "trusted"


@pytest.mark.parametrize(
    "words",
    [
        b"\n",
        b"[]\n",
        b"null\n",
        b"not json\n",
        b'{"sign": "zz", "leaf": ""}\n',
        b'{"sign": 7, "leaf": ""}\n',
        b'{"sign": ""}\n',
        b'{"chain": "", "sign": "", "leaf": ""}\n',
        b'{"export": ""}\n',
        b'{"decrypt": "00", "leaf": "00"}\n',
        b"[" * 100_000 + b"\n",
        b"\xff" * 100 + b"\n",
    ],
)
def test_other_operations_are_refused(signing: SigningProcess, words: bytes) -> None:
    assert said(signing, words).startswith(b'{"error": "ask ')


def test_only_claims_of_at_most_a_megabyte_are_signed(signing: SigningProcess) -> None:
    identity = signing.identity()
    largest = CLAIM_START + bytes(MAX_SIGNED_BYTES - len(CLAIM_START))
    assert verified(identity.sign_es256(largest), largest, signing)
    for refused in (largest + b"\0", b"", b"a certificate request"):
        with pytest.raises(Unavailable, match=r"only claims are signed|did not answer"):
            identity.sign_es256(refused)
    with pytest.raises(Unavailable):
        ask(signing.socket, {"sign": "00" * 3_000_000, "leaf": identity.serial}, ("signature",), 5)
    assert verified(identity.sign_es256(CLAIM), CLAIM, signing)


def test_a_certificate_that_is_not_in_force_signs_nothing(signing: SigningProcess) -> None:
    with pytest.raises(Unavailable, match="not in force any more"):
        ask(signing.socket, {"sign": CLAIM.hex(), "leaf": "abcd"}, ("signature",), 5)


def test_slow_and_many_clients_keep_nobody_out_for_long(signing: SigningProcess) -> None:
    began = time.monotonic()
    slow = [socket.socket(socket.AF_UNIX) for _ in range(80)]  # more than are served at once
    for connection in slow:
        connection.connect(str(signing.socket))
        connection.sendall(b'{"sign": ')
    while True:
        with suppress(Unavailable):
            signing.identity()
            break
        assert time.monotonic() - began < VISIT_S + 3
        time.sleep(0.1)
    for connection in slow:
        connection.settimeout(VISIT_S + 3)
        with suppress(ConnectionResetError):
            connection.recv(1000)  # it was ended from the other side
        connection.close()
    assert time.monotonic() - began < VISIT_S + 5


@linux
@as_root
def test_other_users_are_refused_unless_they_are_allowed(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)
    asking = f"""
import os, sys, pathlib
sys.path.insert(0, {str(ROOT)!r})
from provenance.signer import identity_of
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
print(len(identity_of(pathlib.Path(sys.argv[1])).sign_es256({CLAIM!r})))
"""

    def asked(signing: SigningProcess) -> str:
        command = [sys.executable, "-c", asking, str(signing.socket)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30).stdout.strip()

    allowed = SigningProcess(tmp_path / "allowed", uid=NOBODY).start()
    other = SigningProcess(tmp_path / "other", uid=12345).start()
    closed = SigningProcess(tmp_path / "closed").start()
    try:
        for signing in (allowed, other, closed):
            signing.home.chmod(0o711)
        assert asked(allowed) == "64"
        assert asked(other) == "" and f"user {NOBODY} was refused" in other.log()
        assert asked(closed) == "" and closed.socket.stat().st_mode & 0o777 == 0o600
        line = json.loads((allowed.home / "audit" / audit.FILE).read_text().splitlines()[-1])
        assert (line["event"], line["uid"]) == ("sign", NOBODY)
    finally:
        for signing in (allowed, other, closed):
            signing.stop()


@linux
def test_the_process_keeps_its_memory_to_itself(signing: SigningProcess) -> None:
    assert resource.prlimit(signing.pid, resource.RLIMIT_CORE) == (0, 0)
    status = Path(f"/proc/{signing.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    # What is not dumpable belongs to root: another process of the same user cannot read or trace it.
    assert Path(f"/proc/{signing.pid}/mem").stat().st_uid == 0
    heavy = "c2pa PIL cv2 numpy sqlalchemy flask click web3 pkcs11 settings wiring"
    modules = f"import sys, provenance.signing; print(*(set('{heavy}'.split()) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", modules], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


READING = f"""
import ctypes, os, signal, sys, time
from provenance.signing import harden
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as any program that was started by this user
for kind in ("soft", "hard"):
    up, told = os.pipe()
    child = os.fork()
    if child == 0:
        if kind == "hard":
            harden()
        os.write(told, b"up")
        time.sleep(20)
        os._exit(0)
    os.read(up, 2)
    try:
        open(f"/proc/{{child}}/mem", "rb").close()
        print(kind, "open")
    except PermissionError:
        print(kind, "closed")
    os.kill(child, signal.SIGKILL)
"""


@linux
@as_root
def test_another_process_of_the_same_user_cannot_read_its_memory() -> None:
    """As nobody: root may read everything."""
    run = subprocess.run([sys.executable, "-c", READING], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert run.stdout.split() == ["soft", "open", "hard", "closed"], run.stderr


def test_the_rate_is_limited_and_what_waits_goes_through_later(tmp_path: Path) -> None:
    signing = SigningProcess(tmp_path / "home", rate=5).start()
    try:
        identity = signing.identity()
        given = refused = 0
        for _ in range(30):
            try:
                identity.sign_es256(CLAIM)
                given += 1
            except Unavailable as unavailable:
                assert "too many signatures" in str(unavailable) and identity.fault is unavailable
                refused += 1
        assert 10 <= given < 20 and refused
        time.sleep(0.5)
        assert verified(identity.sign_es256(CLAIM), CLAIM, signing) and identity.fault is None
    finally:
        signing.stop()


def test_every_signature_is_in_the_log_before_it_is_given(signing: SigningProcess) -> None:
    before = audit.check(signing.home / "audit")
    claims = [CLAIM + bytes([number]) for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(signing.identity().sign_es256, claims))
    assert audit.check(signing.home / "audit") == before + 20
    lines = [json.loads(line) for line in (signing.home / "audit" / audit.FILE).read_text().splitlines()]
    logged = {line["sha256"] for line in lines if line["event"] == "sign"}
    assert {hashlib.sha256(claim).hexdigest() for claim in claims} <= logged
    assert lines[-1]["pid"] == os.getpid() and lines[-1]["leaf"] == signing.identity().serial
    assert command("audit", signing).startswith(f"{before + 20} signatures")


def test_a_rotation_ends_nothing_that_is_under_way(tmp_path: Path) -> None:
    signing = SigningProcess(tmp_path / "home", rate=100_000).start()  # faster machines ask for more than 100 a second
    stop, faults, given = threading.Event(), [], []

    def work() -> None:
        while not stop.is_set():
            try:
                given.append(verified_by_its_own(signing.identity()))
            except Unavailable as unavailable:
                faults.append(unavailable)

    def verified_by_its_own(identity: Identity) -> str:
        time.sleep(0.005)  # the photo is hashed meanwhile
        signature = identity.sign_es256(CLAIM)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        public_key_of(identity.leaf).verify(encode_dss_signature(r, s), CLAIM, ec.ECDSA(hashes.SHA256()))
        return identity.serial

    try:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        keys = keys_of(signing)
        for rotated in (keys.rotate, keys.rotate, lambda: command("rotate", signing)):
            time.sleep(0.3)
            rotated()
            assert signing.identity().leaf == keys.in_force()
        time.sleep(0.3)
        stop.set()
        for thread in threads:
            thread.join()
        assert faults == [] and len(set(given)) == 4
    finally:
        stop.set()
        signing.stop()


def test_a_revoked_leaf_signs_nothing_not_even_what_is_under_way(tmp_path: Path) -> None:
    signing = SigningProcess(tmp_path / "home").start()
    try:
        old = signing.identity()
        keys_of(signing).rotate()
        assert signing.identity().serial != old.serial
        assert old.sign_es256(CLAIM)  # for a while
        keys_of(signing).revoke(old.serial, "keyCompromise", None)
        with pytest.raises(Unavailable, match="not in force any more"):
            old.sign_es256(CLAIM)
    finally:
        signing.stop()


def test_killed_and_started_again_it_goes_on(tmp_path: Path) -> None:
    signing = SigningProcess(tmp_path / "home").start()
    identity = signing.identity()
    identity.sign_es256(CLAIM)
    signing.stop(signal.SIGKILL)
    with pytest.raises(Unavailable, match="did not answer"):
        identity.sign_es256(CLAIM)
    assert identity.fault is not None
    signing.start()
    assert signing.identity() == identity and identity.sign_es256(CLAIM)
    assert audit.check(signing.home / "audit") == 2
    assert signing.stop() == 0 and not signing.socket.exists()


def test_one_folder_has_one_signing_process(signing: SigningProcess) -> None:
    command = [sys.executable, "-m", "cli", "signer", "--socket", str(signing.socket)]
    environ = os.environ | {"CAPTURE_HOME": str(signing.home)}
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30)
    assert run.returncode == 78 and "another signing process writes" in run.stderr


def test_a_damaged_folder_is_told_in_one_sentence(tmp_path: Path) -> None:
    signing = SigningProcess(tmp_path / "home").start()
    signing.stop()
    (signing.home / "keys/c2pa/leaf.pem").write_text("nothing")
    with pytest.raises(RuntimeError, match=r"error the signer: .*leaf.pem is missing or damaged; restore"):
        signing.start()


def test_what_answers_at_the_socket_may_be_anything(tmp_path: Path) -> None:
    answers = [b"", b"[]\n", b'{"chain": 1, "root": ""}\n', b'{"chain": "", "root": ""}\n', b'{"error": "no"}\n']
    for number, answer in enumerate(answers):
        path = tmp_path / f"{number}.sock"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen()

            def reply(listening: socket.socket = listening, answer: bytes = answer) -> None:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer)

            thread = threading.Thread(target=reply)
            thread.start()
            with pytest.raises(Unavailable, match="the signer at"):
                identity_of(path, timeout_s=5)
            thread.join()


def test_a_changed_removed_or_added_line_breaks_the_chain(tmp_path: Path) -> None:
    log = audit.AuditLog(tmp_path, max_bytes=2000)
    for number in range(40):
        log.add("sign", sha256=f"{number:064x}")
    log.close()
    assert audit.check(tmp_path) == 40
    first, last = audit.files(tmp_path)[0], audit.files(tmp_path)[-1]
    assert len(audit.files(tmp_path)) > 3
    whole = first.read_text()
    lines = whole.splitlines(keepends=True)
    for changed in (whole.replace("3", "4", 1), "".join(lines[1:]), "".join(lines[:1] + lines), lines[0]):
        first.write_text(changed)
        with pytest.raises(Conflict, match="was changed, removed or added"):
            audit.check(tmp_path)
    first.write_text(whole)
    assert audit.check(tmp_path) == 40
    last.write_text(last.read_text() + '{"half a li')  # a power cut
    log = audit.AuditLog(tmp_path)
    log.add("sign", sha256="00")
    with pytest.raises(Conflict, match="another signing process"):
        audit.AuditLog(tmp_path)
    log.close()
    assert audit.check(tmp_path) == 41


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_disk_without_room_for_the_next_file_costs_no_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    log = audit.AuditLog(tmp_path, max_bytes=300)
    while (tmp_path / audit.FILE).stat().st_size < 300:
        log.add("sign")
    before = audit.check(tmp_path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, call, full)
        for _ in range(2):
            with pytest.raises(Unavailable, match="No space left"):
                log.add("sign")
    log.add("sign")
    log.close()
    assert audit.check(tmp_path) == before + 1 and len(audit.files(tmp_path)) == 2
    log = audit.AuditLog(tmp_path)
    log.add("sign")
    log.close()
    assert audit.check(tmp_path) == before + 2


def test_nothing_is_signed_that_cannot_be_written_down(tmp_path: Path) -> None:
    """A disk that is full: here, a limit on the size of files."""
    script = """
import pathlib, resource, signal, sys
from pipeline.errors import Unavailable
from provenance.audit import AuditLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = AuditLog(pathlib.Path(sys.argv[1]))
log.add("sign")
size = (pathlib.Path(sys.argv[1]) / "audit.jsonl").stat().st_size
for more in (0, 30):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + more, resource.RLIM_INFINITY))
    try:
        log.add("sign")
    except Unavailable as unavailable:
        print(unavailable)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.add("sign")
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert run.stdout.count("audit log cannot be written") == 2, run.stderr
    assert audit.check(tmp_path) == 2
