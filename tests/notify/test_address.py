"""Which addresses may be told: none that leads inside, in whatever spelling."""

import ipaddress
import socket

import pytest

from notify.address import Target, check, is_public
from pipeline.errors import Rejected, Unavailable

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808",
        "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::",
        "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_addresses_that_lead_inside(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    url = f"https://[{text}]/" if ":" in text else f"https://{text}/"
    with pytest.raises(Rejected, match="not on the public internet"):
        check(url)


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450::1"])
def test_addresses_on_the_internet(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_other_spellings_of_this_machine(host: str) -> None:
    with pytest.raises(Rejected, match="public internet"):
        check(f"https://{host}/hook")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://8.8.8.8/", "https://"),
        ("ftp://8.8.8.8/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("//8.8.8.8/", "https://"),
        ("", "https://"),
        ("https://", "https://"),
        ("https://user:word@8.8.8.8/", "password"),
        ("https://8.8.8.8/#here", "fragment"),
        ("https://8.8.8.8:99999/", "no URL"),
        ("https://[::1/", "no URL"),
        ("https://8.8.8.8/a b", "spaces"),
        ("https://8.8.8.8/\r\nHost: x", "ASCII"),
        ("https://ex\u00e4mple.org/", "ASCII"),
        ("https://8.8.8.8/" + "a" * 2000, "at most"),
        ("https://" + "a" * 70 + ".example/", "cannot be"),
        ("https://a..example/", "cannot be"),
    ],
)
def test_urls_that_cannot_be(url: str, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        check(url)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(Unavailable):
        check("https://nothing.invalid/")


def test_the_operators_networks() -> None:
    assert check("http://127.0.0.1:8080/a?b=c", LOOPBACK) == Target("http", "127.0.0.1", 8080, "/a?b=c", "127.0.0.1")
    assert check("https://127.0.0.1", LOOPBACK).authority == "127.0.0.1"
    with pytest.raises(Rejected):
        check("http://10.0.0.1/", LOOPBACK)


def test_one_address_inside_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an attacker's name server answers."""
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 443)) for text in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: rows)
    with pytest.raises(Rejected, match="not on the public internet") as refused:
        check("https://two-faced.example/")
    assert "10.0.0.1" not in str(refused.value), "which address a name has inside is nobody else's"
