"""Keys on a PKCS #11 token (an HSM, SoftHSM, a smart card), named by a URI (RFC 7512). Needs python-pkcs11.

    pkcs11:token=capture;object=claims?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/capture/pin

`object` is the label of the keys that are made there (default: capture-claim-signer), all of them P-256, not to be
extracted. A certificate's key is found by its public key; keys that were replaced stay until the operator removes them.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.errors import Rejected, Unavailable

T = TypeVar("T")
LABEL = "capture-claim-signer"
EXAMPLE = "pkcs11:token=capture?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/capture/pin"
_USED = {"token", "serial", "object", "type"}
_QUERY_NAMES = {"module-path", "pin-source", "pin-value"}


@dataclass(frozen=True, slots=True)
class TokenUri:
    """What a PKCS #11 URI says, as far as it is used here."""

    module: str
    token: str | None
    serial: str | None
    label: str
    pin: str | None = field(repr=False)

    @classmethod
    def parse(cls, uri: str) -> "TokenUri":
        """Read a URI after RFC 7512. Raises Rejected, never showing its PIN."""
        parts = urlsplit(uri)
        path = _attributes(parts.path, ";", _USED)
        query = _attributes(parts.query, "&", _QUERY_NAMES)
        if parts.scheme != "pkcs11" or "module-path" not in query or not {"token", "serial"} & set(path):
            raise Rejected(f"CAPTURE_SIGNER_URL names no token and module; write such as {EXAMPLE}")
        if path.get("type", "private") != "private":
            raise Rejected("CAPTURE_SIGNER_URL: the type of a key that signs is private")
        if {"pin-value", "pin-source"} <= set(query):
            raise Rejected("CAPTURE_SIGNER_URL: write pin-source or pin-value, not both")
        pin = _pin_of(query["pin-source"]) if "pin-source" in query else query.get("pin-value")
        return cls(query["module-path"], path.get("token"), path.get("serial"), path.get("object", LABEL), pin)


class Pkcs11Token:
    """A token, logged in to; after a fault it is opened anew at the next call. Safe in threads."""

    def __init__(self, uri: TokenUri) -> None:
        self._uri = uri
        self._lock = threading.RLock()
        self._session: Any = None
        self._handles: dict[bytes, Any] = {}

    @classmethod
    def open(cls, uri: str) -> "Pkcs11Token":
        """The token of this URI. Raises Rejected when it cannot be right, and Unavailable when it is not there."""
        token = cls(TokenUri.parse(uri))
        token._guarded(lambda: None)
        return token

    def make(self) -> ec.EllipticCurvePublicKey:
        """See provenance.keyfiles.Token."""
        return self._guarded(self._make)

    def key(self, public_key: ec.EllipticCurvePublicKey) -> "TokenKey | None":
        """See provenance.keyfiles.Token."""
        point = _point(public_key)
        return TokenKey(self, point) if self._guarded(lambda: self._handle(point)) is not None else None

    def sign(self, point: bytes, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest with the private key of this public point, r and s."""
        return self._guarded(lambda: self._sign(point, digest))

    def close(self) -> None:
        """Log out."""
        with self._lock:
            self._forget()

    def _make(self) -> ec.EllipticCurvePublicKey:
        from pkcs11 import Attribute, KeyType, Mechanism
        from pkcs11.util.ec import encode_named_curve_parameters

        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        public, _ = self._session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
            mechanism=Mechanism.EC_KEY_PAIR_GEN, store=True, label=self._uri.label, id=secrets.token_bytes(20),
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )  # fmt: skip
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _raw(public[Attribute.EC_POINT]))

    def _handle(self, point: bytes) -> Any:
        """The private key whose public key, which stands beside it under the same id, has this point."""
        from pkcs11 import Attribute, KeyType, NoSuchKey, ObjectClass

        if point not in self._handles:
            wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: KeyType.EC}
            for public in list(self._session.get_objects(wanted)):
                if _raw(public[Attribute.EC_POINT]) == point:
                    with suppress(NoSuchKey):
                        self._handles[point] = self._session.get_key(ObjectClass.PRIVATE_KEY, id=public.id)
        return self._handles.get(point)

    def _sign(self, point: bytes, digest: bytes) -> bytes:
        from pkcs11 import Mechanism

        handle = self._handle(point)
        if handle is None:
            raise Unavailable("the signer: its key is not on the token any more; run `capture keys rotate`")
        return bytes(handle.sign(digest, mechanism=Mechanism.ECDSA))

    def _guarded(self, work: Callable[[], T]) -> T:
        """Do this in a session; whatever the token says becomes Unavailable, and the session is not used again."""
        from pkcs11.exceptions import PKCS11Error

        with self._lock:
            try:
                if self._session is None:
                    self._session = _session(self._uri)
                return work()
            except (PKCS11Error, RuntimeError) as error:
                self._forget()
                raise Unavailable(
                    f"the signer: the token does not work ({type(error).__name__}); is it there, and its PIN right?"
                ) from None

    def _forget(self) -> None:
        session, self._session, self._handles = self._session, None, {}
        if session is not None:
            with suppress(Exception):  # a token that is gone cannot be closed
                session.close()


class TokenKey:
    """A key that never leaves its token."""

    fault: Unavailable | None = None

    def __init__(self, token: Pkcs11Token, point: bytes) -> None:
        self._token, self._point = token, point

    def sign_es256(self, message: bytes) -> bytes:
        """See provenance.keyfiles.Key."""
        return self._token.sign(self._point, hashlib.sha256(message).digest())


def _session(uri: TokenUri) -> Any:
    try:
        import pkcs11
    except ModuleNotFoundError:
        raise Rejected(
            "CAPTURE_SIGNER_URL with pkcs11 needs a package: run `.venv/bin/pip install python-pkcs11` first"
        ) from None
    if not Path(uri.module).is_file():
        raise Rejected(f"CAPTURE_SIGNER_URL: there is no PKCS #11 module at {uri.module}; install the token's software")
    library = pkcs11.lib(uri.module)
    try:
        return _login(library, uri)
    except (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinLocked):
        raise
    except pkcs11.exceptions.PKCS11Error:
        # A module keeps what it knew of a token that went away, and does not see it come back: begun anew next time.
        with suppress(Exception):
            library.finalize()
        raise


def _login(library: Any, uri: TokenUri) -> Any:
    import pkcs11

    wanted = {"token_label": uri.token, "token_serial": uri.serial.encode() if uri.serial else None}
    token = library.get_token(**{name: value for name, value in wanted.items() if value})
    try:
        return token.open(rw=True, user_pin=uri.pin)
    except pkcs11.exceptions.UserAlreadyLoggedIn:  # a session that could not be closed: logins are the process's
        return token.open(rw=True)


def _attributes(text: str, separator: str, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in filter(None, text.split(separator)):
        name, is_pair, value = word.partition("=")
        if not is_pair or name not in known or name in found:
            # The name alone: what is not understood may be a PIN.
            shown = name if name.replace("-", "").isalpha() and len(name) < 25 else "something"
            raise Rejected(f"CAPTURE_SIGNER_URL: {shown} is not used here, or stands twice; write such as {EXAMPLE}")
        found[name] = unquote(value)
    return found


def _pin_of(source: str) -> str:
    file = Path(source.removeprefix("file://").removeprefix("file:"))
    try:
        if file.stat().st_mode & 0o077:
            raise Rejected(f"{file} can be read by other users; run chmod 600 on it, and think of who did")
        return file.read_text().strip()
    except OSError as error:
        raise Rejected(f"the PIN's file {file} cannot be read ({error.strerror})") from None


def _point(public_key: ec.EllipticCurvePublicKey) -> bytes:
    return public_key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _raw(ec_point: bytes) -> bytes:
    """The point without the DER octet string that it is wrapped in (PKCS #11 2.40, section 2.3.3)."""
    return ec_point[2:] if ec_point[:2] == b"\x04\x41" else ec_point
