"""Which addresses may be told: those that are on the public internet, and the operator's own networks.

Whoever may register an address makes us send requests. Without these checks they could reach what only we can reach:
this machine, its neighbours, and a cloud's metadata.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import Rejected, Unavailable

MAX_URL_CHARS = 2000
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Beside what the library calls not global (IANA's special-purpose registries, RFC 6890): public addresses that lead
# inside. 168.63.129.16 is Azure's host.
_INSIDE = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "224.0.0.0/3")))
# All that is given out of IPv6 so far. Without Teredo, 6to4, documentation and others, whose addresses name another
# one inside; IPv4-mapped, NAT64, link-local and multicast addresses are not in it to begin with.
_GLOBAL_6 = ipaddress.ip_network("2000::/3")
_NOT_GLOBAL_6 = tuple(map(ipaddress.ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that was checked, and the address that was: the connection goes there, whatever the name says by then."""

    scheme: str
    host: str
    port: int
    path: str
    address: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS = {"https": 443, "http": 80}


def check(url: str, networks: Sequence[Network] = ()) -> Target:
    """Parse a URL, ask for its addresses, and refuse it unless all of them may be told.

    `networks`: the operator's own, which may be told, also without TLS. Raises Rejected with the reason, and
    Unavailable when the name cannot be looked up now.
    """
    scheme, host, port, path = _parse(url)
    addresses = _resolve(host, port)
    own = [address for address in addresses if any(address in network for network in networks)]
    if scheme == "http" and len(own) < len(addresses):
        raise Rejected("the URL must begin with https://")
    if any(address not in own and not is_public(address) for address in addresses):
        raise Rejected(f"{host} leads to an address that is not on the public internet")  # not which: names are secrets
    return Target(scheme, host, port, path, str(addresses[0]))


def is_public(address: Address) -> bool:
    """Whether it is an address on the public internet that names no other inside."""
    if isinstance(address, ipaddress.IPv6Address):
        return address in _GLOBAL_6 and not any(address in network for network in _NOT_GLOBAL_6)
    return address.is_global and not any(address in network for network in _INSIDE)


def _parse(url: str) -> tuple[str, str, int, str]:
    if len(url) > MAX_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url:
        raise Rejected(f"a URL has at most {MAX_URL_CHARS} ASCII characters and no spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Rejected("this is no URL") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Rejected("the URL must begin with https://")
    if "@" in parts.netloc or parts.fragment:
        raise Rejected("the URL must have neither a password nor a fragment: put a token into its path")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, _PORTS[parts.scheme] if port is None else port, path


def _resolve(host: str, port: int) -> list[Address]:
    """Every address of a host, each once. An address in other spellings, such as 0x7f.1, is looked up like a name."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise Unavailable(f"the address of {host}, which could not be looked up") from error
    except (UnicodeError, OverflowError, ValueError):
        raise Rejected("the URL's host or port cannot be") from None
    return [ipaddress.ip_address(text.partition("%")[0]) for text in dict.fromkeys(str(row[4][0]) for row in found)]
