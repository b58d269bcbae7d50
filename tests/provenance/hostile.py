"""Photos that name addresses of a server: in XMP, in certificates, in identities. Nobody may ever go there."""

import base64
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from c2pa import Builder, C2paBuilderIntent, C2paSigningAlg, Context, Signer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID

from provenance import certificates, keyfiles
from provenance.keys import Identity
from provenance.reader import offline_settings
from tests.photos import jpeg
from tests.provenance.orders import photo_of, signed_copy


def hostile_photos(folder: Path, port: int) -> list[bytes]:
    """JPEGs that name this port of this machine, each in another way."""
    identity = Identity.load_or_make(folder / "hostile")
    url = f"http://127.0.0.1:{port}/steal.c2pa"
    addressed, _ = signed_copy(photo_of("image/jpeg"), "image/jpeg", folder, with_addresses(folder / "addressed", port))
    return [
        with_remote_manifest(url, identity),
        with_remote_manifest(url.replace("127.0.0.1", "localhost"), identity, embedded=True),
        addressed.read_bytes(),
        with_web_identity(port, identity),
    ]


def with_remote_manifest(url: str, identity: Identity, embedded: bool = False) -> bytes:
    """A photo whose XMP says that its manifest is at `url`, and that may hold one as well."""
    signer = Signer.from_callback(identity.sign_es256, C2paSigningAlg.ES256, identity.chain_pem)
    out = io.BytesIO()
    with (
        Context.from_dict(offline_settings(identity.root_pem), signer=signer) as context,
        Builder.from_json('{"claim_generator_info": [{"name": "t"}]}', context) as builder,
    ):
        builder.set_intent(C2paBuilderIntent.EDIT)
        builder.set_remote_url(url)
        if not embedded:
            builder.set_no_embed()
        builder.sign("image/jpeg", io.BytesIO(jpeg(6, 160, 120)), out)
    return out.getvalue()


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


def with_web_identity(port: int, identity: Identity, host: str = "localhost") -> bytes:
    """A photo with a CAWG identity whose issuer's key is to be asked for at this port (did:web)."""
    issuer = f"did:web:{host}%3A{port}"
    payload = {
        "referenced_assertions": [{"url": "self#jumbf=c2pa.assertions/c2pa.hash.data", "hash": [0] * 32}],
        "sig_type": "cawg.identity_claims_aggregation",
    }
    credential = {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://cawg.io/identity/1.1/ica/context/"],
        "type": ["VerifiableCredential", "IdentityClaimsAggregationCredential"],
        "issuer": issuer,
        "validFrom": "2025-01-01T00:00:00Z",
        "credentialSubject": {"verifiedIdentities": [_VERIFIED], "c2paAsset": _as_json(payload)},
    }
    # COSE_Sign1 by hand: protected {1: -8, 3: "application/vc"}, nothing unprotected, payload, a signature of zeros.
    protected = b"\xa2\x01\x27\x03\x6eapplication/vc"
    parts = _byte_string(protected) + b"\xa0" + _byte_string(json.dumps(credential).encode()) + _byte_string(bytes(64))
    signature = b"\xd2\x84" + parts
    data = {"signer_payload": payload, "signature": list(signature), "pad1": [0] * 8}
    definition = {
        "claim_generator_info": [{"name": "t"}],
        "assertions": [{"label": "cawg.identity", "data": data}],
    }
    out = io.BytesIO()
    signer = Signer.from_callback(identity.sign_es256, C2paSigningAlg.ES256, identity.chain_pem)
    with (
        Context.from_dict(offline_settings(identity.root_pem), signer=signer) as context,
        Builder.from_json(json.dumps(definition), context) as builder,
    ):
        builder.set_intent(C2paBuilderIntent.EDIT)
        builder.sign("image/jpeg", io.BytesIO(jpeg(6, 160, 120)), out)
    return out.getvalue()


def _byte_string(content: bytes) -> bytes:
    """A CBOR byte string with its length in four bytes."""
    return b"\x5a" + len(content).to_bytes(4) + content


_VERIFIED = {
    "type": "cawg.social_media",
    "name": "N",
    "username": "n",
    "uri": "https://social.example/n",
    "verifiedAt": "2025-01-01T00:00:00Z",
    "provider": {"id": "https://social.example", "name": "Social"},
}


def _as_json(payload: dict[str, Any]) -> dict[str, Any]:
    hashed = [
        {**one, "hash": base64.b64encode(bytes(one["hash"])).decode()} for one in payload["referenced_assertions"]
    ]
    return payload | {"referenced_assertions": hashed}
