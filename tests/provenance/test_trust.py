"""Trust lists: by file, by name in the verdict, revocations, and what other lists make of the same photo."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.errors import Rejected, Unavailable
from provenance import certificates
from provenance.certificates import Pair
from provenance.cose import signing_chains
from provenance.inspect import inspect
from provenance.keyfiles import LocalKey, read_pair
from provenance.keys import Identity
from provenance.trust import OWN, TrustList, TrustLists, add
from tests.photos import SHARED
from tests.provenance.orders import jpeg_parts, photo_of, signed_copy

OFFICIAL = SHARED.parent / "specs/c2pa-conformance"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stranger keeps the keys."""
    return tmp_path_factory.mktemp("stranger") / "c2pa"


@pytest.fixture(scope="module")
def stranger(place: Path) -> Identity:
    return Identity.load_or_make(place)


@pytest.fixture(scope="module")
def theirs(stranger: Identity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("theirs")
    return signed_copy(photo_of("image/jpeg"), "image/jpeg", folder, stranger)[0]


def lists(identity: Identity, *places: Path) -> TrustLists:
    return TrustLists.load(identity.root_pem, places)


def test_a_verdict_names_the_list(identity: Identity, stranger: Identity, theirs: Path, tmp_path: Path) -> None:
    before = inspect(theirs, "image/jpeg", lists(identity))
    assert (before.state, before.trusted_by, before.reason) == (
        "valid",
        None,
        "the signer is on none of our trust lists",
    )
    (tmp_path / "newsroom.pem").write_text(stranger.root_pem)
    after = inspect(theirs, "image/jpeg", lists(identity, tmp_path))
    assert (after.state, after.worst, after.trusted_by, after.reason) == ("trusted", "trusted", "newsroom", None)
    assert before.trust_lists != after.trust_lists == lists(identity, tmp_path).digest
    own = inspect(theirs, "image/jpeg", lists(stranger))
    assert own.trusted_by == OWN


def test_a_list_for_time_stamps_trusts_no_signer(
    identity: Identity, stranger: Identity, theirs: Path, tmp_path: Path
) -> None:
    (tmp_path / "newsroom-tsa.pem").write_text(stranger.root_pem)
    found = lists(identity, tmp_path)
    assert [one.kind for one in found.lists] == ["manifest", "tsa"]
    assert inspect(theirs, "image/jpeg", found).state == "valid"


def test_an_ingredient_is_judged_by_our_lists_and_not_by_its_signers(
    identity: Identity, stranger: Identity, theirs: Path, tmp_path: Path
) -> None:
    """Its signer trusts itself and wrote so into the next manifest; that binds nobody else."""
    again = signed_copy(theirs.read_bytes(), "image/jpeg", tmp_path, stranger)[0].read_bytes()
    (tmp_path / "ours").mkdir()
    ours = signed_copy(again, "image/jpeg", tmp_path / "ours", identity)[0]
    found = inspect(ours, "image/jpeg", lists(identity))
    assert (found.state, found.worst) == ("trusted", "valid")
    assert [one.state for one in found.ingredients] == ["valid", "valid", "none"]
    assert found.ingredients[0].signer == "Capture claim signer (Capture)"
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/newsroom.pem").write_text(stranger.root_pem)
    now = inspect(ours, "image/jpeg", lists(identity, tmp_path / "lists"))
    assert (now.worst, [one.state for one in now.ingredients]) == ("trusted", ["trusted", "trusted", "none"])


def test_the_official_lists_are_read(identity: Identity, theirs: Path) -> None:
    if not OFFICIAL.is_dir():
        pytest.skip("the official lists are not here")
    found = lists(identity, OFFICIAL)
    assert [(one.name, one.kind) for one in found.lists[1:]] == [
        ("C2PA-TRUST-LIST", "manifest"), ("C2PA-TSA-TRUST-LIST", "tsa"),
    ]  # fmt: skip
    assert [one.size for one in found.lists] == [1, 30, 22]
    assert inspect(theirs, "image/jpeg", found).state == "valid"


def test_add_copies_what_was_checked(stranger: Identity, tmp_path: Path) -> None:
    source = tmp_path / "Newsroom.crt"
    source.write_text(stranger.root_pem)
    assert add(source, tmp_path / "trust").size == 1
    assert [file.name for file in (tmp_path / "trust").iterdir()] == ["Newsroom.pem"]
    assert add(source, tmp_path / "trust").digest == TrustList.read(tmp_path / "trust/Newsroom.pem").digest


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello", "no certificates"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificates"),
        (b"-----BEGIN PRIVATE KEY-----", "private key"),
        (bytes(5 << 20), "over 4 MB"),
    ],
)
def test_what_is_no_list_is_refused_and_never_blamed_on_a_photo(
    identity: Identity, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "bad.pem").write_bytes(content)
    with pytest.raises(Rejected, match=says):
        TrustList.read(tmp_path / "bad.pem")
    with pytest.raises(Unavailable, match=says):
        lists(identity, tmp_path)


def revocation(folder: Path, identity_folder: Path, moment: datetime, forged: bool = False) -> Path:
    """A list of the issuing authority that revokes its leaf; forged: signed by somebody else."""
    issuing, leaf = (read_pair(identity_folder / name) for name in ("issuing.pem", "leaf.pem"))
    by = Pair(issuing.certificate, leaf.key) if forged else issuing
    return revoking(folder, leaf.certificate, by, moment)


def revoking(
    folder: Path, revoked: x509.Certificate, by: Pair, moment: datetime = datetime(2026, 1, 1, tzinfo=UTC)
) -> Path:
    one = x509.RevokedCertificateBuilder().serial_number(revoked.serial_number).revocation_date(moment).build()
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(datetime.now(UTC))
        .next_update(datetime.now(UTC) + timedelta(days=7))
        .add_revoked_certificate(one)
        .sign(by.key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / "revoked.crl").write_bytes(crl.public_bytes(Encoding.PEM))
    return folder


def test_a_revoked_signer_is_trusted_no_more(
    identity: Identity, stranger: Identity, place: Path, theirs: Path, tmp_path: Path
) -> None:
    (tmp_path / "newsroom.pem").write_text(stranger.root_pem)
    forged = revocation(tmp_path / "forged", place, datetime(2026, 1, 1, tzinfo=UTC), forged=True)
    assert inspect(theirs, "image/jpeg", lists(identity, tmp_path, forged)).state == "trusted"
    told = revocation(tmp_path / "told", place, datetime(2026, 1, 1, tzinfo=UTC))
    found = inspect(theirs, "image/jpeg", lists(identity, tmp_path, told))
    assert (found.state, found.worst, found.certificate) == ("invalid", "invalid", "revoked")
    assert found.reason == "the signer's certificate was revoked since 2026-01-01 00:00 UTC (unspecified)"
    shutil.rmtree(told)


@pytest.mark.parametrize(("anchor", "brought", "revoked"), [("root", ["issuing"], "issuing"), ("issuing", [], "leaf")])
def test_who_revokes_need_not_be_in_the_signers_chain(
    identity: Identity, tmp_path: Path, anchor: str, brought: list[str], revoked: str
) -> None:
    """As the profile has it, a chain ends before the anchor: then the revocations of the anchor's are meant here."""
    root = certificates.make_authority("Their root", None, certificates.ROOT_LIFE, 1)
    issuing = certificates.make_authority("Their issuing", root, certificates.ISSUING_LIFE, 0)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = certificates.make_leaf(key.public_key(), issuing, certificates.LeafPolicy())
    made = {"root": root.certificate, "issuing": issuing.certificate, "leaf": leaf}
    pems = {name: certificates.pem(one).decode() for name, one in made.items()}
    theirs = Identity(pems[anchor], pems["leaf"] + "".join(pems[name] for name in brought), LocalKey(key))
    signed = signed_copy(photo_of("image/jpeg"), "image/jpeg", tmp_path, theirs)[0]
    (tmp_path / "newsroom.pem").write_text(pems[anchor])
    assert inspect(signed, "image/jpeg", lists(identity, tmp_path / "newsroom.pem")).state == "trusted"
    told = revoking(tmp_path / "told", made[revoked], {"root": root, "issuing": issuing}[anchor])
    found = inspect(signed, "image/jpeg", lists(identity, tmp_path / "newsroom.pem", told))
    assert (found.state, found.worst, found.certificate) == ("invalid", "invalid", "revoked")


def test_certificates_of_a_label_that_stands_twice_speak_for_nobody(identity: Identity, theirs: Path) -> None:
    store, _ = jpeg_parts(theirs.read_bytes())
    ((label, chain),) = signing_chains(store).items()
    assert lists(identity).names(chain) is None and [one.subject for one in chain]
    twice = store + store[8 + int.from_bytes(store[8:12]) :]  # the one manifest again, behind the store's own boxes
    twice = len(twice).to_bytes(4) + twice[4:]
    assert signing_chains(twice) == {label: ()}


CURVE = bytes.fromhex("2a8648ce3d030107")  # prime256v1 in DER
VERSION = bytes.fromhex("a003020102")  # version 3


@pytest.mark.parametrize(
    ("part", "damaged"), [(CURVE, CURVE[:4] + b"\x0b" + CURVE[5:]), (VERSION, VERSION[:-1] + b"\x07")]
)
def test_certificates_that_nobody_can_read_end_nothing(
    identity: Identity, stranger: Identity, place: Path, theirs: Path, tmp_path: Path, part: bytes, damaged: bytes
) -> None:
    """Found by the fuzzer: a curve that does not exist."""
    (tmp_path / "photo").write_bytes(theirs.read_bytes().replace(part, damaged))
    told = revocation(tmp_path / "told", place, datetime(2026, 1, 1, tzinfo=UTC))
    (told / "newsroom.pem").write_text(stranger.root_pem)
    found = inspect(tmp_path / "photo", "image/jpeg", lists(identity, told))
    assert (found.state, found.trusted_by) == ("invalid", None)


def test_the_digest_says_which_lists(identity: Identity, stranger: Identity, tmp_path: Path) -> None:
    one = lists(identity).digest
    (tmp_path / "a.pem").write_text(stranger.root_pem)
    two = lists(identity, tmp_path).digest
    (tmp_path / "a.pem").rename(tmp_path / "b.pem")
    three = lists(identity, tmp_path).digest
    assert len({one, two, three}) == 3 and lists(identity, tmp_path).digest == three
