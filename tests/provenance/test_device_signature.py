"""HTTP message signatures against RFC 9421's own example, and the arithmetic that strangers get against OpenSSL's."""

import base64
import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import p256
from provenance.devices import signature
from provenance.devices.errors import Refused
from provenance.devices.keys import from_jwk, is_signed, thumbprint, to_base64url
from tests.devices import Phone, content_digest
from tests.service import ROOT

# RFC 9421, B.1.3 and B.2.4: "Signing a Response Using ecdsa-p256-sha256".
RFC_KEY = {
    "kty": "EC", "crv": "P-256", "kid": "test-key-ecc-p256",
    "x": "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA", "y": "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0",
}  # fmt: skip
RFC_BASE = '''"@status": 200
"content-type": application/json
"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:
"content-length": 23
"@signature-params": ("@status" "content-type" "content-digest" "content-length")\
;created=1618884473;keyid="test-key-ecc-p256"'''
RFC_SIGNATURE = "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw=="
CAPTURE_BASE = '''"@method": POST
"@path": /v1/captures
"content-digest": sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:
"@signature-params": ("@method" "@path" "content-digest")\
;created=1618884473;nonce="n";keyid="k";alg="ecdsa-p256-sha256"'''


def test_the_rfcs_own_signature_holds() -> None:
    raw = base64.b64decode(RFC_SIGNATURE)
    assert is_signed(from_jwk(RFC_KEY), raw, RFC_BASE.encode())
    assert p256.is_signed(from_jwk(RFC_KEY), raw, RFC_BASE.encode())
    assert not is_signed(from_jwk(RFC_KEY), raw, RFC_BASE.encode() + b" ")


def message(**headers: str) -> signature.Message:
    parameters = 'created=1618884473;nonce="n";keyid="k";alg="ecdsa-p256-sha256"'
    given = {
        "content-digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
        "signature-input": f'capture=("@method" "@path" "content-digest");{parameters}', "signature": "capture=:AAAA:",
    }  # fmt: skip
    return signature.Message("POST", "/v1/captures", given | headers)


def test_what_is_signed_is_as_the_rfc_puts_it_together() -> None:
    read = signature.read(message())
    assert read.base == CAPTURE_BASE
    assert (read.keyid, read.nonce, read.created.timestamp()) == ("k", "n", 1618884473)
    assert read.photo == hashlib.sha256(b"").digest()


def test_the_example_in_the_docs_is_one() -> None:
    lines = [line.strip() for line in (ROOT / "docs/devices.md").read_text().splitlines() if line.startswith("    ")]
    start = lines.index("POST /v1/uploads HTTP/1.1")
    headers = dict(line.split(": ", 1) for line in lines[start + 1 : start + 8])
    read = signature.read(signature.Message("POST", "/v1/uploads", {name.lower(): headers[name] for name in headers}))
    first = lines.index('"@method": POST')
    assert read.base.splitlines() == lines[first : first + 4]
    key = json.loads(next(line for line in lines if line.startswith('{"kty"')))
    signature.check(read, from_jwk(key), datetime.now(UTC))
    metadata = dict(item.split(" ") for item in headers["Upload-Metadata"].split(","))
    assert base64.b64decode(metadata["sha256"]).decode() == read.photo.hex()
    assert read.photo == hashlib.sha256(b"a photo's bytes").digest()


@pytest.mark.parametrize(
    ("covered", "digests", "photo"),
    [('"repr-digest"', {"repr-digest": b"a"}, b"a"), ('"content-digest" "repr-digest"', {"repr-digest": b"a"}, b"a"),
     ('"content-digest"', {"repr-digest": b"a"}, b"")],
)  # fmt: skip
def test_the_whole_photos_digest_is_taken_when_it_is_signed(
    covered: str, digests: dict[str, bytes], photo: bytes
) -> None:
    stated = {name: content_digest(each) for name, each in digests.items()}
    signed = f'capture=("@method" "@path" {covered});created=1;nonce="n";keyid="k"'
    assert signature.read(message(**stated, **{"signature-input": signed})).photo == hashlib.sha256(photo).digest()


@pytest.mark.parametrize(
    "header",
    ["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=:", "sha-256=:AAAA:", "sha-256=1", "sha-512=:AAAA:", ""],
)
def test_a_digest_that_strangers_would_not_find_is_refused(header: str) -> None:
    with pytest.raises(Refused) as refused:
        signature.read(message(**{"content-digest": header}))
    assert refused.value.reason == "wrong-digest"


def test_white_space_between_the_parameters_does_not_count() -> None:
    spread = 'capture=( "@method"  "@path" "content-digest" ); created=1618884473; nonce="n"; keyid="k"'
    assert signature.read(message(**{"signature-input": spread})).base == CAPTURE_BASE.removesuffix(
        ';alg="ecdsa-p256-sha256"'
    )


def test_the_rfc_7638_thumbprint() -> None:
    phone = Phone()
    assert thumbprint(phone.key) == phone.thumbprint
    assert len(to_base64url(phone.thumbprint)) == 43


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=100), st.integers(0, 511), st.booleans())
def test_strangers_arithmetic_agrees_with_openssl(text: bytes, bit: int, in_key: bool) -> None:
    phone = Phone()
    key, signed = phone.key, phone.sign(text)
    assert p256.is_signed(key, signed, text)
    turned = bytearray(key if in_key else signed)
    turned[bit // 8] ^= 1 << bit % 8
    key, signed = (bytes(turned), signed) if in_key else (key, bytes(turned))
    assert not p256.is_signed(key, signed, text)
    if not in_key:
        assert not is_signed(key, signed, text)


@pytest.mark.parametrize("signed", [bytes(64), b"\xff" * 64, bytes(63), bytes(65), p256.N.to_bytes(32, "big") * 2])
def test_no_signature_is_of_these(signed: bytes) -> None:
    key = Phone().key
    assert not p256.is_signed(key, signed, b"") and not is_signed(key, signed, b"")


def test_points_at_infinity() -> None:
    assert p256.times(p256.N, p256.G) is None
    assert p256.add(None, p256.G) == p256.G == p256.add(p256.G, None)
    assert p256.times(p256.N + 1, p256.G) == p256.G


@given(st.binary(max_size=200))
def test_any_header_is_read_or_refused(content: bytes) -> None:
    text = content.decode("latin-1")
    for name in ("signature", "signature-input", "content-digest"):
        try:
            signature.read(message(**{name: text}))
        except Refused as reason:
            assert str(reason)
