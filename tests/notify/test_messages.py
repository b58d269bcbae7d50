"""Signatures and encryption, held against published vectors and against libraries that are not ours."""

import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook, WebhookVerificationError

from ledger.keyfile import read_private, write_once
from notify.keys import NotifyKeys
from notify.message import message
from notify.seal import Seal
from notify.webhook import new_secret, secret_text, signed_headers
from notify.webpush import MAX_MESSAGE_BYTES, Receiver, Sender, encrypt
from pipeline.errors import Conflict, Rejected, Unavailable
from tests.notify.browser import Browser, bytes_of, text_of, verified_claims

# RFC 8291, section 5 and appendix A.
RECEIVER = Receiver(
    bytes_of("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
    bytes_of("BTBZMqHH6r4Tts7J_aSIgg"),
)
SENDER_PRIVATE, SALT = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", "DGv6ra1nlYgDCS1FRnbzlw"
PLAIN = b"When I grow up, I want to be a watermelon"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_vector_of_rfc_8291() -> None:
    private = ec.derive_private_key(int.from_bytes(bytes_of(SENDER_PRIVATE), "big"), ec.SECP256R1())
    assert text_of(encrypt(PLAIN, RECEIVER, private, bytes_of(SALT))) == BODY


def test_a_browser_reads_it_and_nobody_else() -> None:
    browser, other = (Browser("https://push.example/x") for _ in range(2))
    receiver = Receiver.unpack(Receiver.parse(browser.subscription["keys"]).packed)
    body = encrypt(b'{"a": 1}', receiver)
    assert browser.read(body) == {"a": 1}
    assert encrypt(b'{"a": 1}', receiver) != body, "another key and salt each time"
    with pytest.raises(Exception, match=r"ecryption error|InvalidTag"):
        other.read(body)
    assert len(encrypt(b"a" * MAX_MESSAGE_BYTES, receiver)) == 4096
    with pytest.raises(ValueError, match="at most"):
        encrypt(b"a" * (MAX_MESSAGE_BYTES + 1), receiver)


@pytest.mark.parametrize(
    "keys",
    [
        None, {}, [], "x", {"p256dh": "", "auth": ""}, {"p256dh": text_of(RECEIVER.point)},
        {"p256dh": text_of(RECEIVER.point[:-1] + b"\0"), "auth": text_of(RECEIVER.auth)},
        {"p256dh": text_of(RECEIVER.point), "auth": text_of(RECEIVER.auth[1:])},
        {"p256dh": text_of(RECEIVER.point) * 9, "auth": text_of(RECEIVER.auth)},
        {"p256dh": "é", "auth": text_of(RECEIVER.auth)},
        {"p256dh": 7, "auth": text_of(RECEIVER.auth)},
    ],
)  # fmt: skip
def test_keys_that_no_browser_has(keys: object) -> None:
    with pytest.raises(Rejected):
        Receiver.parse(keys)


def test_who_sends_is_known_to_the_push_service() -> None:
    sender = Sender(ec.generate_private_key(ec.SECP256R1()), "https://capture.example")
    headers = sender.headers("https://push.example:8443/send/abc", "topic", 1_000)
    claims = verified_claims(headers["Authorization"], sender.public_key)
    assert claims == {"aud": "https://push.example:8443", "exp": 1_000 + 12 * 3600, "sub": "https://capture.example"}
    assert (headers["TTL"], headers["Topic"], headers["Content-Encoding"]) == ("86400", "topic", "aes128gcm")
    assert len(bytes_of(sender.public_key)) == 65


def test_the_vector_of_standard_webhooks() -> None:
    secret = bytes_of("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receivers_library_takes_it() -> None:
    secret, body = new_secret(), message("capture.signed", "2026-01-01T00:00:00Z", "abc", "signed", None)
    headers = signed_headers(secret, "msg_1", int(time.time()), body)
    theirs = Webhook(secret_text(secret))
    assert theirs.verify(body, headers) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        theirs.verify(body.replace(b"abc", b"abd"), headers)
    with pytest.raises(WebhookVerificationError):
        theirs.verify(body, headers | {"webhook-id": "msg_2"})
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(new_secret())).verify(body, headers)


def test_messages_are_thin() -> None:
    told = json.loads(message("capture.signed", "2026-01-01T00:00:00Z", "abc", "signed", "https://c.example"))
    data = {"id": "abc", "status": "signed", "link": "https://c.example/v1/captures/abc"}
    assert told == {"type": "capture.signed", "timestamp": "2026-01-01T00:00:00Z", "data": data}
    assert json.loads(message("ping", "t", None, None, None))["data"] == {}


def test_secrets_are_sealed_for_one_place() -> None:
    seal, secret = Seal(bytes(32)), new_secret()
    sealed = seal.close(secret, "wh_1")
    assert seal.open(sealed, "wh_1") == secret
    assert secret not in sealed
    for other, context in ((seal, "wh_2"), (Seal(bytes(31) + b"1"), "wh_1")):
        with pytest.raises(Unavailable, match="keys/notify"):
            other.open(sealed, context)


def test_the_keys_are_made_once(tmp_path: Path) -> None:
    def keys() -> NotifyKeys:
        return NotifyKeys(tmp_path / "notify", read_private, write_once, "http://inside")

    first = keys()
    sealed, public_key = first.seal.close(b"secret", "a"), first.sender.public_key
    assert (keys().seal.open(sealed, "a"), keys().sender.public_key) == (b"secret", public_key)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "notify").iterdir()} == {0o600}
    assert "sub" not in verified_claims(keys().sender.headers("https://p/", None, 0)["Authorization"], public_key)
    (tmp_path / "notify/vapid.key").write_text("x")
    with pytest.raises(Conflict, match=r"vapid\.key"):
        _ = keys().sender
