"""Sign-In with Ethereum (EIP-4361): the text by which whoever controls an account says so to one service, once."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from ledger.accounts import checksummed
from ledger.holder import recovered
from pipeline.errors import Rejected

AHEAD = timedelta(minutes=5)  # by which a wallet's clock may be before ours
OLDEST = timedelta(minutes=10)  # of a text; its nonce ends before that

# The ABNF of EIP-4361, but for its authority, which is compared whole, and with bounds on what has none there.
_FORM = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<domain>[^\s/?#]+)"
    r" wants you to sign in with your Ethereum account:\n(?P<address>0x[0-9a-fA-F]{40})\n\n"
    r"(?:(?P<statement>[ -~]+)\n)?\n"
    r"URI: (?P<uri>[!-~]+)\nVersion: 1\nChain ID: (?P<chain_id>[0-9]{1,18})\nNonce: (?P<nonce>[A-Za-z0-9]{8,64})\n"
    r"Issued At: (?P<issued_at>[!-~]+)(?:\nExpiration Time: (?P<expires_at>[!-~]+))?"
    r"(?:\nNot Before: (?P<not_before>[!-~]+))?(?:\nRequest ID: [!-~]*)?(?:\nResources:(?:\n- [!-~]+)*)?"
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class SignIn:
    """What such a text says: which account (EIP-55), to which domain and URI, on which chain, and from when to when."""

    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    scheme: str | None = None
    expires_at: datetime | None = None
    not_before: datetime | None = None


def message(origin: str, address: str, chain_id: int, nonce: str, issued_at: datetime, statement: str) -> str:
    """The text for a service at `origin`, as a wallet is asked to sign it (`personal_sign`)."""
    moment = issued_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"{urlsplit(origin).netloc} wants you to sign in with your Ethereum account:\n{address}\n\n{statement}\n\n"
        f"URI: {origin}\nVersion: 1\nChain ID: {chain_id}\nNonce: {nonce}\nIssued At: {moment}"
    )


def parse(text: str) -> SignIn:
    """What the text says. Raises Rejected for one that is not of EIP-4361's form, version 1."""
    found = _FORM.fullmatch(text)
    if not found:
        raise Rejected("this is no text of EIP-4361, version 1, line by line: sign the one that was given, unchanged")
    said = found.groupdict()
    if said["address"] != checksummed(bytes.fromhex(said["address"][2:])):
        raise Rejected("the account must be written in the case of its checksum (EIP-55)")
    moments = {name: _moment(said[name]) for name in ("expires_at", "not_before")}
    issued_at = _moment(said["issued_at"])
    assert issued_at
    return SignIn(said["domain"], said["address"], said["uri"], int(said["chain_id"]), said["nonce"], issued_at,
                  said["scheme"], **moments)  # fmt: skip


def check(said: SignIn, origin: str, chain_id: int, now: datetime) -> None:
    """Raise Rejected unless it was said to this service, about its chain, just now. Whose nonce it is, others check."""
    here = urlsplit(origin)
    if said.domain != here.netloc or said.scheme not in (None, here.scheme):
        raise Rejected(
            f"it was signed for {said.domain[:100]}, and this is {here.netloc}: sign the text of this service"
        )
    if _place(said.uri) != (here.scheme, here.netloc):
        raise Rejected(f"its URI is of another place than {origin}: sign the text of this service")
    if said.chain_id != chain_id:
        raise Rejected(
            f"it is about the chain {said.chain_id}, and works are on {chain_id}: switch the wallet to that one"
        )
    if not now - OLDEST <= said.issued_at <= now + AHEAD:
        raise Rejected("it was not issued just now: ask for a new text, and check the clock of the wallet's device")
    if (said.not_before and now + AHEAD < said.not_before) or (said.expires_at and now >= said.expires_at):
        raise Rejected("it does not hold now, by its own times: ask for a new text")


def is_signed(text: str, said: SignIn, signature: bytes) -> bool:
    """Whether the account that the text names signed it, with its own key (contracts that are accounts have none)."""
    return recovered(text, signature) == said.address.lower()


def _place(uri: str) -> tuple[str, str] | None:
    """Scheme and authority; None for what is no URI."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # such as a host that begins with a bracket and does not end with one
        return None
    return parts.scheme, parts.netloc


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise Rejected(f"{text[:40]} is no time of RFC 3339") from None
