"""The signer's folder: what is in it, who may read it, and what happens when it is damaged or old."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pipeline.errors import Unavailable
from provenance import keys
from provenance.keys import Identity

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
    assert modes == {"root.pem": 0o644, "issuing.pem": 0o600, "leaf.pem": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in folder.parent.iterdir()] == ["c2pa"]
    assert first.root_file.read_text() == first.root_pem


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


@pytest.mark.parametrize("step", ["_write", "_sync_folder", "_move"])
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


def test_a_leaf_that_nears_its_end_is_renewed_under_the_same_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as young:
        young.setattr(keys, "LEAF_LIFE", timedelta(days=10))
        young.setattr(keys, "RENEW_AT", timedelta(days=5))
        old = Identity.load_or_make(tmp_path / "c2pa")
    new = Identity.load_or_make(tmp_path / "c2pa")
    assert new.root_pem == old.root_pem and new.chain_pem != old.chain_pem
    assert new.not_after - datetime.now(UTC) > keys.RENEW_AT
    assert Identity.load_or_make(tmp_path / "c2pa") == new


def test_an_ended_leaf_of_an_ended_authority_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "ISSUING_LIFE", timedelta(seconds=0))
    with pytest.raises(Unavailable, match=r"certificate ended on .* start with a new root"):
        Identity.load_or_make(tmp_path / "c2pa")
