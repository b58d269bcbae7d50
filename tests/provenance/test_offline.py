"""Nothing that a photo names is ever fetched: a server listens, hostile photos point at it, and nobody comes."""

import contextlib
import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from c2pa import C2paError, Context, Reader
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from provenance.inspect import inspect
from provenance.keys import Identity
from tests.provenance.fuzz import tripwire
from tests.provenance.hostile import hostile_photos, with_addresses, with_remote_manifest, with_web_identity
from tests.provenance.orders import photo_of, signed_copy


@pytest.fixture
def visitors() -> Iterator[tuple[int, list[bytes]]]:
    with tripwire() as found:
        yield found


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
    _wait_for(came)
    assert came == [b"knock"]


@pytest.mark.parametrize("place", [0, 2], ids=["remote", "ocsp"])
def test_the_photos_do_call_when_they_are_allowed_to(
    identity: Identity, tmp_path: Path, visitors: tuple[int, list[bytes]], place: int
) -> None:
    """Else the tests here would prove nothing."""
    port, came = visitors
    photo = hostile_photos(tmp_path, port)[place]
    careless = {
        "verify": {"remote_manifest_fetch": True, "ocsp_fetch": True},
        "trust": {"user_anchors": identity.root_pem},
    }
    with (
        contextlib.suppress(C2paError),
        Context.from_dict(careless) as context,
        Reader("image/jpeg", io.BytesIO(photo), context=context),
    ):
        pass
    _wait_for(came)
    assert came and came[0].startswith(b"GET /")


def _wait_for(came: list[bytes]) -> None:
    for _ in range(50):
        if came:
            break
        threading.Event().wait(0.1)


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


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_identitys_issuer_is_never_asked(
    identity: Identity, tmp_path: Path, visitors: tuple[int, list[bytes]], host: str
) -> None:
    port, came = visitors
    (tmp_path / "photo").write_bytes(with_web_identity(port, identity, host))
    assert inspect(tmp_path / "photo", "image/jpeg", identity.root_pem).state == "trusted"
    assert came == []
