"""Sign-In with Ethereum: the form of EIP-4361, and what a text must say to be good here and now."""

from datetime import UTC, datetime, timedelta

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from ledger.signin import check, is_signed, message, parse
from pipeline.errors import Rejected

HERE, CHAIN, NOW = "https://capture.example:8443", 31337, datetime(2026, 11, 23, 12, tzinfo=UTC)
WALLET = Account.from_key(b"\x11" * 32)
TEXT = message(HERE, WALLET.address, CHAIN, "0123456789abcdef", NOW, "Show that it is yours.")
# Written from the EIP's grammar by hand, with all that it allows.
FULL = f"""https://capture.example:8443 wants you to sign in with your Ethereum account:
{WALLET.address}


URI: https://capture.example:8443/work/1?a=b#c
Version: 1
Chain ID: 31337
Nonce: 0123456789abcdef
Issued At: 2026-11-23T13:00:00.5+01:00
Expiration Time: 2026-11-23T12:05:00Z
Not Before: 2026-11-23T11:59:00Z
Request ID: some-id
Resources:
- https://example.com/terms
- ipfs://bafy/"""


def signature(text: str, key: bytes = b"\x11" * 32) -> bytes:
    """As wallets sign it: by a library that is not ours."""
    return bytes(Account.from_key(key).sign_message(encode_defunct(text=text)).signature)


def test_our_own_text_is_read_back_and_holds() -> None:
    said = parse(TEXT)
    assert (said.address, said.nonce, said.chain_id, said.issued_at) == (WALLET.address, "0123456789abcdef", CHAIN, NOW)
    check(said, HERE, CHAIN, NOW)
    assert is_signed(TEXT, said, signature(TEXT))


def test_a_text_with_all_parts_is_read() -> None:
    said = parse(FULL)
    assert said.scheme == "https" and said.expires_at == NOW + timedelta(minutes=5)
    assert said.issued_at == NOW + timedelta(seconds=0.5)
    check(said, HERE, CHAIN, NOW)
    assert is_signed(FULL, said, signature(FULL))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("capture.example:8443 wants", "capture.example wants", "signed for capture.example"),
        ("capture.example:8443 wants", "http://capture.example:8443 wants", "signed for"),
        ("capture.example:8443 wants", "evil@capture.example:8443 wants", "signed for evil@"),
        ("URI: https://capture", "URI: https://evil", "another place"),
        ("URI: https:", "URI: http:", "another place"),
        ("Chain ID: 31337", "Chain ID: 1", "the chain 1,"),
        ("T12:00:00Z", "T12:05:01Z", "not issued just now"),
        ("T12:00:00Z", "T11:49:59Z", "not issued just now"),
        ("T12:00:00Z", "T12:00:00Z\nExpiration Time: 2026-11-23T12:00:00Z", "own times"),
        ("T12:00:00Z", "T12:00:00Z\nNot Before: 2026-11-23T12:10:00Z", "own times"),
    ],
)
def test_what_was_said_elsewhere_or_at_another_time_is_refused(old: str, new: str, reason: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(Rejected, match=reason):
        check(parse(TEXT.replace(old, new)), HERE, CHAIN, NOW)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Version: 1", "Version: 2"), ("Version: 1\n", ""), ("Nonce: 0123456789abcdef", "Nonce: 0123"),
        ("Nonce: 0123456789abcdef", "Nonce: 0123456789-abcde"), (WALLET.address, WALLET.address.lower()),
        ("2026-11-23T12:00:00Z", "2026-11-23"), ("2026-11-23T12:00:00Z", "2026-13-23T12:00:00Z"), ("\n", "\r\n"),
        ("Show that it is yours.", "Show that\nit is yours."), ("Show", "Shöw"), (TEXT, TEXT + "\n"), (TEXT, ""),
        ("Chain ID: 31337", "Chain ID: " + "9" * 400),
    ],
)  # fmt: skip
def test_another_form_is_refused(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(Rejected):
        parse(TEXT.replace(old, new))


def test_only_the_accounts_own_signature_of_the_same_text_counts() -> None:
    said, signed = parse(TEXT), signature(TEXT)
    assert not is_signed(TEXT, said, signature(TEXT, b"\x12" * 32))
    assert not is_signed(TEXT.replace("yours", "y0urs"), said, signed)
    assert not any(is_signed(TEXT, said, bad) for bad in (b"", signed[:-1], bytes(65), b"\xff" * 65))
    for bit in range(0, 64 * 8, 7):
        assert not is_signed(TEXT, said, (int.from_bytes(signed) ^ (1 << (bit + 8))).to_bytes(65))


@given(st.text(max_size=400) | st.builds(lambda at, by: TEXT[:at] + by + TEXT[at:], st.integers(0, 300), st.text()))
def test_no_text_breaks_it(text: str) -> None:
    try:
        check(parse(text), HERE, CHAIN, NOW)
    except Rejected:
        return
    assert text.split("\n")[1] == WALLET.address
