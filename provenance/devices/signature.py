"""HTTP message signatures (RFC 9421) as devices send them: one, labelled `capture`, by ECDSA on P-256.

The structured fields are read by a library; what is signed is put together here, from the few components that a proxy
in front of the service leaves alone. `@target-uri` and `@authority` are not among them: proxies rewrite these.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import http_sf

from provenance.devices.errors import Refused
from provenance.devices.keys import is_signed

LABEL = "capture"
ALGORITHM = "ecdsa-p256-sha256"
REQUIRED = ("@method", "@path")
# One of them at least: the photo's. Where a request begins an upload in pieces, its body is not the photo yet.
DIGESTS = ("repr-digest", "content-digest")
HEADERS = ("content-type", "content-length", "capture-metadata", "idempotency-key")
_MAX_MOMENT = 253_402_300_799  # the year 9999


@dataclass(frozen=True, slots=True)
class Message:
    """What of a request can be signed; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was read and not checked yet. `base`: what it signs. `expires`: from when on it is not to count.

    `photo`: the covered SHA-256; that of Repr-Digest where both digests are covered.
    """

    base: str
    signature: bytes
    keyid: str
    nonce: str
    created: datetime
    photo: bytes
    expires: datetime | None = None

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what was signed."""
        return hashlib.sha256(self.base.encode()).digest()


def read(message: Message) -> Signed:
    """The request's one signature, with all that it must cover. Raises Refused with the reason."""
    inputs, values = (_dictionary(message, name) for name in ("signature-input", "signature"))
    if len(inputs) > 1 or len(values) > 1:
        raise Refused("several-signatures", "There are several signatures. Send one, labelled capture.")
    if [*inputs] != [LABEL] or [*values] != [LABEL]:
        raise Refused("unknown-label", "Label the signature capture, in Signature-Input and in Signature.")
    covered, parameters = _covered(inputs[LABEL])
    base = signature_base(message, covered, parameters)
    signature = values[LABEL][0]
    if not isinstance(signature, bytes):
        raise Refused("malformed", "The value in Signature is no byte sequence: write it as :base64:.")
    return Signed(
        base, signature, _text(parameters, "keyid", str), _text(parameters, "nonce", str),
        _moment(parameters, "created"), _photo(message, covered),
        _moment(parameters, "expires") if "expires" in parameters else None,
    )  # fmt: skip


def check(signed: Signed, key: bytes, now: datetime) -> None:
    """Raise Refused unless this key signed it, and its own end, if it names one, is to come."""
    if signed.expires and signed.expires <= now:
        raise Refused("expired", "The signature has expired, by its own word. Sign again.")
    if not is_signed(key, signed.signature, signed.base.encode()):
        raise Refused("wrong-key", "The signature is not this device's over this request. Sign what is sent "
                      "with the key that was enrolled; r and s are 64 bytes, not DER.")  # fmt: skip


def signature_base(message: Message, covered: list[str], parameters: Mapping[str, Any]) -> str:
    """What is signed (RFC 9421, section 2.5): a line for each component, and the parameters last."""
    lines = [f'"{name}": {_value(message, name)}' for name in covered]
    listed: Any = ([(name, {}) for name in covered], dict(parameters))
    inner = http_sf.ser([listed])
    return "\n".join([*lines, f'"@signature-params": {inner}'])


def _photo(message: Message, covered: list[str]) -> bytes:
    """The SHA-256 in the first of the covered digests (RFC 9530). Raises Refused when there is none."""
    name = next(name for name in DIGESTS if name in covered)
    header = message.headers[name]
    try:
        found = _parsed(header)["sha-256"][0]
    except (ValueError, LookupError, TypeError):
        found = None
    # As strangers will look for it, who parse nothing: ledger/verify.py.
    if not isinstance(found, bytes) or len(found) != 32 or f"sha-256=:{b64encode(found).decode()}:" not in header:
        raise Refused("wrong-digest", f"{name.title()} holds no sha-256: write it as sha-256=:<base64 of 32 bytes>:.")
    return found


def _covered(entry: Any) -> tuple[list[str], dict[str, Any]]:
    items, parameters = entry
    if not isinstance(items, list):
        raise Refused("malformed", "Signature-Input is no list of components: see RFC 9421, section 4.1.")
    names = [name if isinstance(name, str) else "" for name, _ in items]
    if any(of for _, of in items) or not set(names) <= {*REQUIRED, *DIGESTS, *HEADERS}:
        raise Refused("unknown-component", f"Cover some of {', '.join((*REQUIRED, *DIGESTS, *HEADERS))}, without "
                      "parameters: what else there is, a proxy may change.")  # fmt: skip
    if len(set(names)) < len(names):
        raise Refused("malformed", "A component is covered twice.")
    missing = [name for name in REQUIRED if name not in names]
    if not {*DIGESTS} & {*names}:
        missing.append("content-digest")
    if missing:
        raise Refused("missing-component", f"The signature does not cover {', '.join(missing)}. Cover these too.")
    if parameters.get("alg", ALGORITHM) != ALGORITHM:
        raise Refused("wrong-algorithm", f"The algorithm is {parameters['alg']!s:.40}. Only {ALGORITHM} is taken.")
    return names, parameters


def _value(message: Message, name: str) -> str:
    derived = {"@method": message.method, "@path": message.path}
    value = derived.get(name, message.headers.get(name))
    if value is None or not value.isascii() or "\n" in value:
        raise Refused("missing-component", f"The signature covers {name}, which the request has not, or not in ASCII.")
    return value.strip()


def _text(parameters: Mapping[str, Any], name: str, kind: type) -> Any:
    value = parameters.get(name)
    if type(value) is not kind:
        raise Refused("missing-component", f"The signature has no {name}. Put it among its parameters.")
    return value


def _moment(parameters: Mapping[str, Any], name: str) -> datetime:
    moment = _text(parameters, name, int)
    if not 0 <= moment <= _MAX_MOMENT:
        raise Refused("malformed", f"{name} is no time in unix seconds.")
    return datetime.fromtimestamp(moment, UTC)


def _dictionary(message: Message, name: str) -> dict[str, Any]:
    twice: list[str] = []
    try:
        found = _parsed(message.headers[name], lambda key, _where: twice.append(key))
    except KeyError:
        raise Refused("missing-component", f"There is no {name.title()}. A signature takes both headers.") from None
    except ValueError as error:
        raise Refused("malformed", f"{name.title()} is no dictionary of structured fields: {error}.") from None
    if twice:
        raise Refused("several-signatures", "A name stands twice in it. Send one signature.")
    return found


def _parsed(header: str, on_duplicate: Callable[[str, str], None] | None = None) -> dict[str, Any]:
    found: Any = http_sf.parse(header.encode("ascii"), tltype="dictionary", on_duplicate_key=on_duplicate)
    return dict(found)
