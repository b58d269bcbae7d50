"""Our own revocation list: what is on it, who may sign it, and what the operator is told."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID

from pipeline.errors import Rejected
from provenance import keys_door, revocation
from provenance.certificates import serial_hex
from provenance.inspect import inspect
from provenance.keyfiles import read_pair
from provenance.keys import Identity, KeyFolder
from provenance.revocation import Revocation, revoked_since
from provenance.trust import TrustLists
from tests.photos import jpeg
from tests.provenance.orders import signed_copy

SINCE = datetime(2026, 11, 1, 8, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder(tmp_path / "c2pa")
    folder.open()
    return folder


def test_the_list_follows_the_profile(folder: KeyFolder, tmp_path: Path) -> None:
    crl = x509.load_pem_x509_crl(folder.crl())
    issuing = x509.load_pem_x509_certificates(folder.load().chain_pem.encode())[1]
    assert crl.issuer == issuing.subject and crl.is_signature_valid(issuing.public_key())  # type: ignore[arg-type]
    assert issuing.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    authority = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert authority == issuing.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert crl.next_update_utc is not None
    assert crl.next_update_utc - crl.last_update_utc == revocation.CRL_LIFE
    assert (len(crl), crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number) == (0, 1)


def test_a_revocation_stays_on_the_list_and_numbers_grow(folder: KeyFolder) -> None:
    first, second = folder.in_force(), folder.rotate()
    assert folder.revoke(serial_hex(first), "keyCompromise", SINCE) is False
    assert folder.revoke(serial_hex(second).upper(), "unspecified", None) is True
    third = folder.in_force()
    assert third not in (first, second)
    crl = x509.load_pem_x509_crl(folder.crl())
    assert (len(crl), crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number) == (2, 3)
    assert revoked_since(first.serial_number, folder.crl()) == Revocation(SINCE, "keyCompromise")
    found = revoked_since(second.serial_number, folder.crl())
    assert found is not None and found.reason == "unspecified"
    assert abs(found.since - datetime.now(UTC)) < timedelta(seconds=30)
    assert revoked_since(third.serial_number, folder.crl()) is None
    entry = crl.get_revoked_certificate_by_serial_number(second.serial_number)
    assert entry is not None
    assert CRLEntryExtensionOID.CRL_REASON not in [extension.oid for extension in entry.extensions]


def test_the_list_is_signed_anew_before_it_ends(folder: KeyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.revoke(serial_hex(folder.in_force()), "superseded", SINCE)
    before = folder.crl()
    assert not folder.upkeep() and folder.crl() == before
    monkeypatch.setattr(revocation, "RENEW_CRL_AT", timedelta(0))
    time.sleep(1.1)  # its times are whole seconds
    folder.upkeep()
    old, new = x509.load_pem_x509_crl(before), x509.load_pem_x509_crl(folder.crl())
    assert [e.serial_number for e in new] == [e.serial_number for e in old]
    assert new.last_update_utc > old.last_update_utc


def test_the_operator_is_told_what_to_write(folder: KeyFolder) -> None:
    serial = serial_hex(folder.in_force())
    for since, says in (("tomorrow", "is no time"), ("2999-01-01", "lies ahead")):
        with pytest.raises(Rejected, match=says):
            keys_door.revoke(folder, serial, "unspecified", since)
    with pytest.raises(Rejected, match="no certificate of ours has the serial number abc"):
        keys_door.revoke(folder, "abc", "unspecified", None)
    told = keys_door.revoke(folder, serial, "keyCompromise", "2026-11-01T09:00:00+01:00")
    assert told == f"{serial} is revoked since 2026-11-01 08:00 UTC; a new one signs from now on"
    with pytest.raises(Rejected, match="was revoked already, since 2026-11-01 08:00 UTC"):
        keys_door.revoke(folder, serial, "unspecified", None)
    lines = list(keys_door.lines(folder))
    assert [line.split("  ")[1] for line in lines] == ["revoked since 2026-11-01 08:00 (keyCompromise)", "in force"]


def test_a_photo_of_a_revoked_signer_and_one_made_of_it_are_told(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "c2pa")
    old = keys.open()
    signed, _ = signed_copy(jpeg(41, 64, 48), "image/jpeg", tmp_path, old)
    keys.revoke(old.serial, "keyCompromise", SINCE)
    new = keys.load()
    lists = TrustLists.load(new.root_pem, (), new.crl_pem)
    own = inspect(signed, "image/jpeg", lists)
    assert (own.state, own.worst) == ("invalid", "invalid")
    assert own.reason == "the signer's certificate was revoked since 2026-11-01 08:00 UTC (keyCompromise)"
    (tmp_path / "again").mkdir()
    again, _ = signed_copy(signed.read_bytes(), "image/jpeg", tmp_path / "again", new)
    made_of_it = inspect(again, "image/jpeg", lists)
    assert (made_of_it.state, made_of_it.worst) == ("trusted", "invalid")
    assert made_of_it.reason == f"an ingredient: {own.reason}"
    assert inspect(signed, "image/jpeg", new.root_pem).state == "trusted"


def test_the_list_of_another_installation_says_nothing_of_ours(folder: KeyFolder, tmp_path: Path) -> None:
    other = Identity.load_or_make(tmp_path / "other")
    assert revoked_since(folder.in_force().serial_number, other.crl_pem.encode()) is None
    issuer = read_pair(tmp_path / "other" / "issuing.pem")
    assert not x509.load_pem_x509_crl(folder.crl()).is_signature_valid(issuer.key.public_key())
