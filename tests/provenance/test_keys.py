"""The signer's folder: what is in it, who may read it, and what happens when it is damaged or old."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pipeline.errors import Unavailable
from provenance import certificates, revocation
from provenance.certificates import KEY_LIFE, LeafPolicy, serial_hex
from provenance.keyfiles import read_password
from provenance.keys import Identity, KeyFolder

ROOT = Path(__file__).resolve().parents[2]


def chain(identity: Identity) -> tuple[x509.Certificate, x509.Certificate, x509.Certificate]:
    leaf, issuing = x509.load_pem_x509_certificates(identity.chain_pem.encode())
    return leaf, issuing, x509.load_pem_x509_certificate(identity.root_pem.encode())


def test_the_chain_follows_the_claim_signing_profile(identity: Identity) -> None:
    leaf, issuing, root = chain(identity)
    for child, parent in ((leaf, issuing), (issuing, root), (root, root)):
        child.verify_directly_issued_by(parent)
        key_id = child.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        assert key_id == parent.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        assert child.not_valid_before_utc < datetime.now(UTC) < child.not_valid_after_utc
        assert child.not_valid_after_utc <= parent.not_valid_after_utc
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {ObjectIdentifier("1.3.6.1.4.1.62558.2.1"), ExtendedKeyUsageOID.EMAIL_PROTECTION}


@pytest.mark.parametrize(("place", "authority", "path_length"), [(0, False, None), (1, True, 0), (2, True, 1)])
def test_only_authorities_may_issue(identity: Identity, place: int, authority: bool, path_length: int | None) -> None:
    certificate = chain(identity)[place]
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert basic.critical and (basic.value.ca, basic.value.path_length) == (authority, path_length)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (authority, authority, not authority)


def test_signatures_are_r_and_s(identity: Identity) -> None:
    signature = identity.sign_es256(b"claim")
    key = chain(identity)[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey) and len(signature) == 64
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(r, s), b"claim", ec.ECDSA(hashes.SHA256()))


def test_the_folder_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "c2pa"
    old_umask = os.umask(0)
    try:
        first = Identity.load_or_make(folder)
    finally:
        os.umask(old_umask)
    assert Identity.load_or_make(folder) == first
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert modes.pop("root.pem") == 0o644
    assert modes == dict.fromkeys(("issuing.pem", "leaf.pem", "issued.pem", "crl.pem", ".lock"), 0o600)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in folder.parent.iterdir()] == ["c2pa"]
    assert (folder / "root.pem").read_text() == first.root_pem


def test_the_roots_key_is_nowhere_and_keys_are_never_shown(tmp_path: Path) -> None:
    identity = Identity.load_or_make(tmp_path / "c2pa")
    assert b"PRIVATE" not in (tmp_path / "c2pa" / "root.pem").read_bytes()
    assert "PRIVATE" not in identity.root_pem + identity.chain_pem
    assert "BEGIN" not in repr(identity) and "_key=" not in repr(identity)


def _root_of(folder: str) -> str:
    return Identity.load_or_make(Path(folder)).root_pem


def test_processes_that_start_at_once_get_one_root(tmp_path: Path) -> None:
    with get_context("spawn").Pool(4) as pool:
        roots = pool.map(_root_of, [str(tmp_path / "c2pa")] * 8)
    assert len(set(roots)) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["c2pa"]


@pytest.mark.parametrize("step", ["write_durably", "make_leaf", "_move"])
def test_a_crash_while_the_folder_is_made_leaves_none(tmp_path: Path, step: str) -> None:
    script = f"""
import os, pathlib
from provenance import keys
keys.{step} = lambda *_: os._exit(9)
keys.Identity.load_or_make(pathlib.Path({str(tmp_path / "c2pa")!r}))
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 9
    assert not (tmp_path / "c2pa").exists()
    Identity.load_or_make(tmp_path / "c2pa").check()


@pytest.mark.parametrize("name", ["root.pem", "issuing.pem", "leaf.pem"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "cut"])
def test_a_damaged_folder_says_which_file_and_what_to_do(tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "c2pa"
    Identity.load_or_make(folder)
    content = (folder / name).read_bytes()
    damaged = {"empty": b"", "garbage": b"\xff not a key", "cut": content[: len(content) // 2]}
    if damage == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(damaged[damage])
    with pytest.raises(Unavailable, match=rf"{name} is missing or damaged; restore the folder") as caught:
        Identity.load_or_make(folder)
    assert "BEGIN" not in str(caught.value) and caught.value.__cause__ is None


def test_files_of_two_installations_do_not_mix(tmp_path: Path) -> None:
    Identity.load_or_make(tmp_path / "one")
    Identity.load_or_make(tmp_path / "two")
    (tmp_path / "two" / "leaf.pem").replace(tmp_path / "one" / "leaf.pem")
    with pytest.raises(Unavailable, match=r"leaf\.pem"):
        Identity.load_or_make(tmp_path / "one")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Identity.load_or_make(tmp_path / "c2pa")
    (tmp_path / "c2pa" / "leaf.pem").chmod(0o640)
    with pytest.raises(Unavailable, match="chmod 600"):
        Identity.load_or_make(tmp_path / "c2pa")


def test_a_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "c2pa").write_text("not a folder")
    with pytest.raises(Unavailable, match="the signer"):
        Identity.load_or_make(tmp_path / "c2pa")


def older(monkeypatch: pytest.MonkeyPatch, by: timedelta, *also: ModuleType) -> None:
    """Make whatever is made from here on as old as this."""

    class Past(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Past":
            return cls.fromtimestamp(datetime.now(UTC).timestamp() - by.total_seconds(), tz)

    for module in (certificates, *also):
        monkeypatch.setattr(module, "datetime", Past)


def test_a_key_is_replaced_at_half_its_time_under_the_same_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = KeyFolder(tmp_path / "c2pa")
    with monkeypatch.context() as past:
        older(past, KEY_LIFE / 2 - timedelta(hours=2))
        old = folder.open()
    assert folder.open() == old
    with monkeypatch.context() as past:
        older(past, KEY_LIFE / 2)
        folder.rotate()
        old = folder.load()
    new = folder.open()
    assert new.root_pem == old.root_pem and new.serial != old.serial
    assert new.leaf.public_key() != old.leaf.public_key()
    assert folder.open() == new
    assert [serial_hex(leaf) for leaf in folder.issued()][1:] == [old.serial, new.serial]


@pytest.mark.parametrize("stamped", [False, True])
def test_the_key_signs_for_90_days_and_the_certificate_lives_as_long_as_readers_need(
    tmp_path: Path, stamped: bool
) -> None:
    life = certificates.STAMPED_LIFE if stamped else certificates.UNSTAMPED_LIFE
    leaf = KeyFolder(tmp_path / "c2pa", LeafPolicy(life)).open().leaf
    assert abs(leaf.not_valid_after_utc - datetime.now(UTC) - life) < timedelta(minutes=1)
    assert abs(certificates.key_ends(leaf) - datetime.now(UTC) - KEY_LIFE) < timedelta(minutes=1)


@pytest.mark.parametrize("stamped", [False, True])
def test_a_leaf_of_another_length_is_replaced_at_once(tmp_path: Path, stamped: bool) -> None:
    short, long = LeafPolicy(certificates.STAMPED_LIFE), LeafPolicy(certificates.UNSTAMPED_LIFE)
    before, after = (long, short) if stamped else (short, long)
    old = KeyFolder(tmp_path / "c2pa", before).open()
    new = KeyFolder(tmp_path / "c2pa", after).open()
    assert new.serial != old.serial and KeyFolder(tmp_path / "c2pa", after).open() == new


def test_a_folder_of_an_earlier_version_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It held three files, and a leaf of five years that named no time for its key."""
    with monkeypatch.context() as past:
        past.setattr(certificates, "KEY_LIFE", certificates.UNSTAMPED_LIFE)
        older(past, timedelta(days=200))
        old = KeyFolder(tmp_path / "c2pa").open()
    for name in ("issued.pem", "crl.pem", ".lock"):
        (tmp_path / "c2pa" / name).unlink()
    folder = KeyFolder(tmp_path / "c2pa")
    assert [serial_hex(leaf) for leaf in folder.issued()] == [old.serial]
    new = folder.open()
    assert new.root_pem == old.root_pem and new.serial != old.serial
    assert [serial_hex(leaf) for leaf in folder.issued()] == [old.serial, new.serial]
    assert folder.revoke(old.serial, "keyCompromise", None) is False


def test_a_crash_between_the_two_files_of_a_rotation_leaves_the_old_leaf(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "c2pa")
    old = folder.open()
    script = f"""
import os, pathlib
from provenance import keys
write = keys.write_durably
keys.write_durably = lambda file, *more: os._exit(9) if file.name == "leaf.pem" else write(file, *more)
keys.KeyFolder(pathlib.Path({str(tmp_path / "c2pa")!r})).rotate()
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 9
    assert folder.open() == old
    assert len(folder.issued()) == 2  # one of them never signed
    assert folder.rotate() == folder.issued()[-1]


def _rotate(folder: str) -> str:
    return serial_hex(KeyFolder(Path(folder)).rotate())


def test_processes_that_rotate_at_once_lose_no_leaf(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "c2pa")
    first = folder.open().serial
    with get_context("spawn").Pool(3) as pool:
        made = pool.map(_rotate, [str(tmp_path / "c2pa")] * 6)
    issued = [serial_hex(leaf) for leaf in folder.issued()]
    assert sorted(issued) == sorted([first, *made]) and folder.load().serial == issued[-1]


def test_what_was_made_while_the_clock_was_ahead_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = KeyFolder(tmp_path / "c2pa")
    first = folder.open()
    with monkeypatch.context() as ahead:
        older(ahead, -timedelta(days=60), revocation)
        folder.rotate()
        folder.revoke(first.serial, "superseded", None)
        wrong = folder.load()
    with pytest.raises(Unavailable, match="set this machine's clock right"):
        wrong.check()
    right = folder.open()
    now = datetime.now(UTC)
    assert right.leaf.not_valid_before_utc < now and right.root_pem == first.root_pem
    assert x509.load_pem_x509_crl(folder.crl()).last_update_utc <= now
    assert folder.is_revoked(first.leaf) and not folder.upkeep()


def test_an_ended_leaf_of_an_ended_authority_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "ISSUING_LIFE", timedelta(seconds=0))
    with pytest.raises(Unavailable, match=r"certificate ended on .* start with a new root"):
        KeyFolder(tmp_path / "c2pa").open()


def test_an_authority_that_ends_soon_is_not_rotated_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "ISSUING_LIFE", timedelta(days=20))
    with monkeypatch.context() as past:
        older(past, timedelta(days=19))
        KeyFolder(tmp_path / "c2pa").open()
    assert not KeyFolder(tmp_path / "c2pa").upkeep()


def test_keys_are_encrypted_when_there_is_a_password(tmp_path: Path) -> None:
    clear = KeyFolder(tmp_path / "c2pa").open()
    locked = KeyFolder(tmp_path / "c2pa", password=b"a long sentence")
    identity = locked.open()
    assert identity.root_pem == clear.root_pem and locked.open() == identity
    for name in ("issuing.pem", "leaf.pem"):
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "c2pa" / name).read_bytes()
    assert len(identity.sign_es256(b"claim")) == 64
    with pytest.raises(Unavailable, match="set CAPTURE_SIGNER_PASSWORD_FILE"):
        KeyFolder(tmp_path / "c2pa").open()
    with pytest.raises(Unavailable, match="CAPTURE_SIGNER_PASSWORD_FILE does not open"):
        KeyFolder(tmp_path / "c2pa", password=b"wrong").open()


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a long sentence\n")
    (tmp_path / "password").chmod(0o600)
    assert read_password(tmp_path / "password") == b"a long sentence"
    (tmp_path / "password").chmod(0o644)
    with pytest.raises(Unavailable, match="chmod 600"):
        read_password(tmp_path / "password")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_another_users_folder_is_left_alone(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "c2pa")
    folder.open()
    os.chown(tmp_path / "c2pa", 65534, 65534)
    with pytest.raises(Unavailable, match="belongs to the user with id 65534: run this as that user"):
        folder.rotate()
