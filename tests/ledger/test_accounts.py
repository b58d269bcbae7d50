"""The keys that the service keeps on the chain: made once, kept from other users, and derived for owners."""

import os
import stat
import threading
from pathlib import Path

import pytest

from ledger.accounts import owner_address, owner_key, read_or_make_key
from pipeline.errors import Conflict


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "chain" / "writer.key"
    key = read_or_make_key(file)
    assert len(key) == 32
    assert read_or_make_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_new_keys_name_is_durable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode) and (tmp_path / "key").exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    read_or_make_key(tmp_path / "key")
    assert synced == [False, True]  # the text, and then the folder that names it


def test_two_first_starts_at_once_use_one_key(tmp_path: Path) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(read_or_make_key(tmp_path / "key"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "operator.key"
    file.write_text("0x" + "07" * 32)
    file.chmod(mode)
    with pytest.raises(Conflict, match=r"operator.key is open to other users: run chmod 600"):
        read_or_make_key(file)
    file.chmod(0o400)
    assert read_or_make_key(file) == b"\7" * 32


@pytest.mark.parametrize("text", ["", "07" * 31, "00" * 32, "ff" * 32, "no key"])
def test_another_text_is_no_key(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(Conflict, match="holds no key: write 64 hex digits"):
        read_or_make_key(file)


def test_owners_have_keys_of_their_own_from_one_seed(tmp_path: Path) -> None:
    seed = tmp_path / "owners.seed"
    assert owner_key(seed, "ada") == owner_key(seed, "ada") != owner_key(seed, "bob")
    assert len({owner_address(seed, owner) for owner in ("ada", "bob", "ada")}) == 2
    assert len(owner_address(seed, "ada")) == 20
