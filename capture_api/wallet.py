"""/v1/wallet: the account that the service keeps for an owner, and the one of the owner's own, once that was shown."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field

from capture_api.auth import caller, needs
from capture_api.json_body import read_json
from capture_api.market import ADDRESS, works
from capture_api.problems import Problem, problem
from capture_api.render import json_answer
from capture_api.services import services
from capture_api.works import MAX_BODY_BYTES
from ledger.accounts import checksummed
from ledger.signin import check, is_signed, message, parse
from pipeline.errors import Rejected
from pipeline.record import encode

wallet = Blueprint("wallet", __name__, url_prefix="/v1/wallet")

STATEMENT = "Show Capture that this account is yours. This sends no transaction and costs nothing."
HERE = ("localhost", "127.0.0.1", "::1")
_NONCES = {
    "unknown": "The nonce is none that you were given here. Ask POST /v1/wallet/text for a new text and sign that.",
    "stale": "The nonce has ended. Ask POST /v1/wallet/text for a new text and sign that.",
    "replayed": "This was sent before: each text is good once. Ask POST /v1/wallet/text for a new one and sign that.",
}


class Account(BaseModel):
    """Which account is to be shown."""

    model_config = ConfigDict(extra="forbid", strict=True)

    address: str = Field(pattern=ADDRESS)


class Shown(BaseModel):
    """The text of EIP-4361, as it was signed, and the signature (EIP-191)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    message: str = Field(max_length=4_000)
    signature: str = Field(pattern=r"^0x[0-9a-fA-F]{130}$")


@wallet.get("")
@needs("capture")
def show() -> Response:
    """The owner's accounts."""
    return json_answer(_accounts())


@wallet.post("/text")
@needs("capture")
def text() -> Response:
    """The text that this account has to sign, good once and for minutes."""
    address = checksummed(bytes.fromhex(read_json(Account, MAX_BODY_BYTES).address[2:]))
    origin = _origin()
    made = services().devices.nonce(caller().owner)
    if made is None:
        raise problem("too-many-requests", "Too many of your nonces are open. Use those, or wait until they end.",
                      retry_after_s=60)  # fmt: skip
    said = message(origin, address, works().chain_id, made[0], datetime.now(UTC), STATEMENT)
    return json_answer({"message": said, "expires_at": encode(datetime.fromtimestamp(made[1], UTC))}, 201)


@wallet.post("")
@needs("capture")
def bind() -> Response:
    """Bind the account that signed the text: works can be moved to it without naming it."""
    shown = read_json(Shown, MAX_BODY_BYTES)
    try:
        said = parse(shown.message)
        check(said, _origin(), works().chain_id, datetime.now(UTC))
    except Rejected as rejected:
        raise _refused(f"{rejected}") from None
    if not is_signed(shown.message, said, bytes.fromhex(shown.signature[2:])):
        raise _refused("another account signed this, or it was changed afterwards: sign the text again, unchanged, "
                       "with the account that it names (one with a key of its own, no contract)")  # fmt: skip
    if (state := services().devices.use(caller().owner, said.nonce)) != "good":
        raise problem("sign-in-refused", _NONCES[state])
    services().wallets.bind(caller().owner, said.address)
    return json_answer(_accounts())


@wallet.delete("")
@needs("capture")
def unbind() -> Response:
    """Forget the owner's own account. What was moved to it stays there."""
    services().wallets.unbind(caller().owner)
    return Response(status=204)


def _accounts() -> dict[str, Any]:
    bound = services().wallets.get(caller().owner)
    kept = checksummed(caller().owner_address)
    return {
        "kept": {"address": kept, "account": f"eip155:{works().chain_id}:{kept}"},  # CAIP-10
        "own": bound and {"address": bound.address, "account": f"eip155:{works().chain_id}:{bound.address}",
                          "bound_at": bound.bound_at},
    }  # fmt: skip


def _origin() -> str:
    """Where this service is. What a request calls it is not believed: another's page could pass a text on to us."""
    if public := services().settings.public_url:
        return public.removesuffix(urlsplit(public).path)
    if urlsplit(request.host_url).hostname not in HERE:
        raise problem("not-allowed", "This service does not know its own address, which a wallet has to sign: its "
                      "operator sets CAPTURE_PUBLIC_URL.")  # fmt: skip
    return request.host_url.rstrip("/")


def _refused(reason: str) -> Problem:
    return problem("sign-in-refused", f"{reason[:1].upper()}{reason[1:]}.")
