"""Blobs: content-addressed, create-only, nothing left of what was cut off (port: pipeline.ports.Blobs)."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import from_url

from pipeline.errors import Rejected, Unavailable
from store.blobs import BlobStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> BlobStore:
    return BlobStore(folder.as_uri())


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_stored_comes_back(blobs: BlobStore) -> None:
    content = os.urandom(3_000_000)
    kept = blobs.receive((content[i : i + 70_000] for i in range(0, len(content), 70_000)), 4_000_000)
    assert kept.sha256 == hashlib.sha256(content).digest()
    assert kept.size == blobs.size(kept.sha256) == len(content)
    assert b"".join(blobs.read(kept.sha256)) == content
    assert b"".join(blobs.read(kept.sha256, 2_000_001)) == content[2_000_001:]
    assert b"".join(blobs.read(kept.sha256, 5, 9)) == content[5:9]
    with blobs.local(kept.sha256) as path:
        assert path.read_bytes() == content


def test_the_same_bytes_are_stored_once(blobs: BlobStore, folder: Path) -> None:
    assert blobs.put(b"photo") == blobs.put(b"photo")
    assert len(_files(folder)) == 1


def test_a_cut_upload_leaves_nothing(blobs: BlobStore, folder: Path) -> None:
    def cut() -> Iterator[bytes]:
        yield bytes(200_000)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        blobs.receive(cut(), 10**6)
    assert _files(folder) == []


def test_beyond_the_limit_is_rejected_and_leaves_nothing(blobs: BlobStore, folder: Path) -> None:
    with pytest.raises(Rejected, match="1000 bytes"):
        blobs.receive([bytes(600), bytes(600)], 1000)
    assert _files(folder) == []
    assert blobs.receive([bytes(600), bytes(400)], 1000).size == 1000


def test_unknown_digests(blobs: BlobStore) -> None:
    for ask in (blobs.size, blobs.read, lambda digest: blobs.local(digest).__enter__()):
        with pytest.raises(LookupError):
            ask(bytes(32))


def test_a_loan_is_readable_until_it_is_taken_back(blobs: BlobStore) -> None:
    with blobs.incoming(100) as incoming:
        incoming.write(b"lent")
        name = incoming.lend()
        with blobs.borrowed(name) as path:
            assert path.read_bytes() == b"lent"
    for gone in (name, "../etc/passwd", "sha256/00/00"):
        with pytest.raises(LookupError), blobs.borrowed(gone):
            pass


def test_stale_uploads_of_a_crash_are_removed(blobs: BlobStore, folder: Path) -> None:
    for name, age_s in (("0" * 32, 7200), ("1" * 32, 0)):
        left = folder / "incoming" / name
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_bytes(b"half")
        os.utime(left, (time.time() - age_s, time.time() - age_s))
    assert blobs.discard_stale(3600) == 1
    assert [path.name for path in _files(folder)] == ["1" * 32]


def test_what_a_killed_process_left_is_removed_whatever_its_name(blobs: BlobStore, folder: Path) -> None:
    """A real process, killed while it writes more than its buffer: its file is `<name>#1`, which no listing shows."""
    program = (
        "import os, signal, sys; from store.blobs import BlobStore\n"
        "with BlobStore(sys.argv[1]).incoming(10**7) as incoming:\n"
        "    incoming.write(bytes(10**6)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, folder.as_uri()], check=False)
    assert done.returncode == -signal.SIGKILL
    [left] = _files(folder)
    assert "#" in left.name
    assert blobs.discard_stale(3600) == 0
    os.utime(left, (time.time() - 7200, time.time() - 7200))
    assert blobs.discard_stale(3600) == 1
    assert _files(folder) == []


def test_before_the_first_upload_nothing_is_stale(blobs: BlobStore) -> None:
    assert blobs.discard_stale(0) == 0


def _down() -> BlobStore:
    """A store on an S3 where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    blobs = BlobStore("file:///tmp")
    blobs._folder, blobs._store = (
        None,
        from_url(  # the environment's settings are not a test's to change
            "s3://bucket",
            endpoint=f"http://127.0.0.1:{port}",
            region="us-east-1",
            access_key_id="none",
            secret_access_key="none",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        ),
    )
    return blobs


def test_a_store_that_is_down_is_unavailable() -> None:
    blobs, loan = _down(), "incoming/" + "0" * 32
    reads: list[Callable[[], object]] = [
        lambda: blobs.size(bytes(32)),
        lambda: blobs.read(bytes(32)),
        lambda: blobs.local(bytes(32)).__enter__(),
        lambda: blobs.borrowed(loan).__enter__(),
        lambda: blobs.discard_stale(0),
        blobs.check,
    ]
    for read in reads:
        with pytest.raises(Unavailable, match="blob store"):
            read()


@pytest.mark.parametrize("remote", [False, True])
def test_bytes_that_are_not_on_the_disk_come_as_a_file_too(blobs: BlobStore, remote: bool) -> None:
    digest = blobs.put(b"photo").sha256
    blobs._folder = None if remote else blobs._folder  # then it reads as from an S3
    with blobs.local(digest) as path:
        assert path.read_bytes() == b"photo"
    assert path.exists() == (not remote)
    with pytest.raises(LookupError), blobs.local(bytes(32)):
        pass


@pytest.mark.parametrize(
    "raised", [Rejected("bad"), OSError(5, "the body's"), FileNotFoundError(2, "gone"), KeyError(1)]
)
@pytest.mark.parametrize("remote", [False, True])
def test_what_the_block_raises_is_not_the_stores(blobs: BlobStore, raised: Exception, remote: bool) -> None:
    digest = blobs.put(b"photo").sha256
    with blobs.incoming(9) as incoming:
        incoming.write(b"lent")
        name = incoming.lend()
        blobs._folder = None if remote else blobs._folder
        for lending in (blobs.local(digest), blobs.borrowed(name)):
            with pytest.raises(type(raised)) as caught, lending:
                raise raised
            assert caught.value is raised


@pytest.mark.skipif(sys.platform != "linux", reason="open files are named in /proc")
def test_every_folder_of_a_first_upload_is_synced(
    blobs: BlobStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    name = blobs.put(b"photo").sha256.hex()
    stored = folder / "sha256" / name[:2] / name
    after_renaming = synced[synced.index(str(stored)) :]
    assert set(after_renaming) == {str(stored), str(stored.parent), str(folder / "sha256"), str(folder)}


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    place = tmp_path / "my photos #1 – 100%"
    digest = BlobStore(place.as_uri()).put(b"photo").sha256
    assert (place / "sha256").is_dir()
    assert b"".join(BlobStore(place.as_uri()).read(digest)) == b"photo"


def test_a_store_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    blobs = BlobStore(f"file://{tmp_path}/blobs")
    (tmp_path / "blobs" / "incoming").write_text("in the way")
    with pytest.raises(Unavailable, match="blob store"):
        blobs.check()


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_chunks_do_not_matter(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]) -> None:
    blobs = BlobStore(f"file://{tmp_path_factory.getbasetemp()}/any-blobs")
    kept = blobs.receive(chunks, 3000)
    assert kept.sha256 == hashlib.sha256(b"".join(chunks)).digest()
    assert b"".join(blobs.read(kept.sha256)) == b"".join(chunks)
