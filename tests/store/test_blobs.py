"""Blobs: content-addressed, create-only, nothing left of what was cut off (port: pipeline.ports.Blobs)."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Rejected, Unavailable
from store.blobs import BlobStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> BlobStore:
    return BlobStore(f"file://{folder}")


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
