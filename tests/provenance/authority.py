"""A real RFC 3161 time-stamping authority on the loopback, which can also be told to fail in each way there is.

It is written with asn1crypto: what checks its tokens shares no code with it.
"""

import http.server
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Mood = Literal[
    "up", "slow", "drip", "wrong nonce", "wrong digest", "wrong signature", "wrong purpose", "refused", "garbage",
    "huge", "error", "hours ahead", "hours behind",
]  # fmt: skip
POLICY = "1.3.6.1.4.1.99999.1"
SLOW_S = 20.0
_OFF_H: dict[Mood, int] = {"hours ahead": 2, "hours behind": -2}
# PKIStatusInfo alone: rejection (2), "no", and no token. Written by hand, because asn1crypto insists on a token.
_REFUSAL = bytes.fromhex("300b3009020102300" + "40c026e6f")


@dataclass(frozen=True, slots=True)
class Party:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def issue(name: str, issuer: Party | None, purpose: x509.ObjectIdentifier | None) -> Party:
    """A root (no issuer), or a leaf for this purpose."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    signer, now = issuer.key if issuer else key, datetime.now(UTC)
    is_root = issuer is None
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, **usage),
            critical=True,
        )
    )
    if purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
    return Party(builder.sign(signer, hashes.SHA256()), key)


@dataclass
class Authority:
    """Answers time-stamp queries at `url` while it is open; `mood` may be changed at any time."""

    mood: Mood = "up"
    asked: int = 0
    root: Party = field(default_factory=lambda: issue("Time-stamping root", None, None))
    url: str = ""
    brings_root: bool = True

    def __post_init__(self) -> None:
        self.leaf = issue("Time-stamping unit", self.root, ExtendedKeyUsageOID.TIME_STAMPING)
        self._stopped = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _door(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/tsa"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def root_pem(self) -> str:
        return self.root.certificate.public_bytes(Encoding.PEM).decode("ascii")

    def close(self) -> None:
        """Nobody answers at `url` from here on."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def wait(self) -> None:
        """Be slow, but not beyond the end of the test."""
        self._stopped.wait(SLOW_S)

    def answer(self, query: bytes) -> bytes:
        """The DER of a TimeStampResp."""
        request = tsp.TimeStampReq.load(query)
        if self.mood == "garbage":
            return b"<html>welcome to the captive portal</html>"
        if self.mood == "refused":
            return _REFUSAL
        info = self._info(request)
        leaf = self.leaf
        if self.mood == "wrong purpose":
            leaf = issue("Mail", self.root, ExtendedKeyUsageOID.EMAIL_PROTECTION)
        brought = [leaf.der, self.root.der] if self.brings_root else [leaf.der]
        token = _token(info, leaf, brought, spoil=self.mood == "wrong signature")
        return bytes(tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump())

    def _info(self, request: Any) -> Any:
        imprint = request["message_imprint"].copy()
        if self.mood == "wrong digest":
            imprint["hashed_message"] = bytes(32)
        content = {
            "version": "v1",
            "policy": POLICY,
            "message_imprint": imprint,
            "serial_number": time.time_ns(),
            "gen_time": datetime.now(UTC).replace(microsecond=0) + timedelta(hours=_OFF_H.get(self.mood, 0)),
        }
        if (nonce := request["nonce"].native) is not None:
            content["nonce"] = nonce + (self.mood == "wrong nonce")
        return tsp.TSTInfo(content)


def _token(info: Any, leaf: Party, brought: list[bytes], spoil: bool) -> Any:
    """The TSTInfo as signed data (RFC 5652), with the signing certificate's digest among what is signed (RFC 5816)."""
    content, certificate = info.dump(), asn1_x509.Certificate.load(leaf.der)
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    signed = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [_sha256(content)]}),
            cms.CMSAttribute(
                {
                    "type": "signing_certificate_v2",
                    "values": [tsp.SigningCertificateV2({"certs": [{"cert_hash": _sha256(leaf.der)}]})],
                }
            ),
        ]
    )
    signature = leaf.key.sign(signed.dump(), ec.ECDSA(hashes.SHA256()))
    if spoil:
        signature = leaf.key.sign(b"something else", ec.ECDSA(hashes.SHA256()))
    signer = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            {"issuer_and_serial_number": {"issuer": certificate.issuer, "serial_number": certificate.serial_number}}
        ),
        "digest_algorithm": sha256,
        "signed_attrs": signed,
        "signature_algorithm": {"algorithm": "sha256_ecdsa"},
        "signature": signature,
    }
    data = {
        "version": "v3",
        "digest_algorithms": [sha256],
        "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
        "certificates": [asn1_x509.Certificate.load(der) for der in brought],
        "signer_infos": [signer],
    }
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(data)})


def _sha256(content: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize()


def _door(authority: Authority) -> type[http.server.BaseHTTPRequestHandler]:
    class Door(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            authority.asked += 1
            query = self.rfile.read(int(self.headers["Content-Length"]))
            if authority.mood == "slow":
                authority.wait()
            self.send_response(500 if authority.mood == "error" else 200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            try:
                self._write(authority.answer(query))
            except OSError:
                self.close_connection = True  # who asked has gone

        def _write(self, answer: bytes) -> None:
            if authority.mood == "huge":
                for _ in range(200):
                    self.wfile.write(bytes(1_000_000))
            pause_s = 0.2 if authority.mood == "drip" else 0
            for at in range(0, len(answer), 10 if pause_s else len(answer)):
                self.wfile.write(answer[at : at + 10] if pause_s else answer)
                authority._stopped.wait(pause_s)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    return Door
