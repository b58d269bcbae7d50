"""Nothing that a photo names is ever fetched: a server listens, hostile photos point at it, and nobody comes."""

import io
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from c2pa import Builder, C2paBuilderIntent, C2paSigningAlg, Context, Signer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from provenance import certificates, keyfiles
from provenance.inspect import inspect
from provenance.keys import Identity
from provenance.reader import offline_settings
from tests.photos import jpeg
from tests.provenance.orders import photo_of, signed_copy


@pytest.fixture
def visitors() -> Iterator[tuple[int, list[bytes]]]:
    """A server on the loopback that answers nothing and writes down who came."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    with server.accept()[0] as visitor:
                        came.append(visitor.recv(200))
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], came
        stop.set()
        thread.join()


def with_remote_manifest(url: str, identity: Identity) -> bytes:
    """A photo whose XMP says that its manifest is at `url`: what the library writes when asked for that."""
    signer = Signer.from_callback(identity.sign_es256, C2paSigningAlg.ES256, identity.chain_pem)
    out = io.BytesIO()
    with (
        Context.from_dict(offline_settings(identity.root_pem), signer=signer) as context,
        Builder.from_json('{"claim_generator_info": [{"name": "t"}]}', context) as builder,
    ):
        builder.set_intent(C2paBuilderIntent.EDIT)
        builder.set_remote_url(url)
        builder.set_no_embed()
        builder.sign("image/jpeg", io.BytesIO(jpeg(6, 320, 240)), out)
    return out.getvalue()


def test_a_remote_manifest_is_named_and_never_fetched(
    identity: Identity, tmp_path: Path, visitors: tuple[int, list[bytes]]
) -> None:
    port, came = visitors
    for host in ("127.0.0.1", "localhost"):
        photo = with_remote_manifest(f"http://{host}:{port}/steal.c2pa", identity)
        (tmp_path / "photo").write_bytes(photo)
        assert inspect(tmp_path / "photo", "image/jpeg", identity.root_pem).state == "remote_only"
        signed, _ = signed_copy(photo, "image/jpeg", tmp_path, identity)
        found = inspect(signed, "image/jpeg", identity.root_pem)
        assert (found.state, found.worst) == ("trusted", "remote_only")
        assert host.encode() in signed.read_bytes()  # the address is kept for those who want to ask
    assert came == []


def test_the_server_would_have_noticed(visitors: tuple[int, list[bytes]]) -> None:
    port, came = visitors
    with socket.create_connection(("127.0.0.1", port), timeout=5) as visitor:
        visitor.sendall(b"knock")
    for _ in range(50):
        if came:
            break
        threading.Event().wait(0.1)
    assert came == [b"knock"]


def with_addresses(folder: Path, port: int) -> Identity:
    """An identity whose leaf names servers for its revocation and its issuer."""
    identity = Identity.load_or_make(folder)
    issuing = keyfiles.read_pair(folder / "issuing.pem")
    leaf = keyfiles.read_pair(folder / "leaf.pem")
    places = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(f"http://127.0.0.1:{port}/{name}"))
        for method, name in (
            (AuthorityInformationAccessOID.OCSP, "ocsp"),
            (AuthorityInformationAccessOID.CA_ISSUERS, "issuer"),
        )
    ]
    old = leaf.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(leaf.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(old.not_valid_after_utc)
        .add_extension(x509.AuthorityInformationAccess(places), critical=False)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    certificate = builder.sign(issuing.key, hashes.SHA256())
    (folder / "leaf.pem").write_bytes(certificates.pem(certificate) + keyfiles.key_pem(leaf.key))
    assert identity.root_pem
    return Identity.load_or_make(folder)


def test_a_certificates_addresses_are_never_asked(tmp_path: Path, visitors: tuple[int, list[bytes]]) -> None:
    port, came = visitors
    hostile = with_addresses(tmp_path / "c2pa", port)
    assert f"127.0.0.1:{port}".encode() in x509.load_pem_x509_certificate(hostile.chain_pem.encode()).public_bytes(
        Encoding.DER
    )
    signed, _ = signed_copy(photo_of("image/jpeg"), "image/jpeg", tmp_path, hostile)
    assert inspect(signed, "image/jpeg", hostile.root_pem).state == "trusted"
    other = Identity.load_or_make(tmp_path / "other")
    assert inspect(signed, "image/jpeg", other.root_pem).state == "valid"
    assert came == []
