"""Which URLs a service may fetch a stranger's dataset from: those that lead to the public internet and nowhere else.

A URL is a way to make the service send a request where its sender can't: to its own loopback, to neighbours in its
network, to the metadata service of its cloud. So the URL is checked as it is written (`checked`), the address that its
name resolves to is checked (`is_public`), and that very address is then connected to (`worker.sources`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from reco_core.errors import FieldError, UrlNotAllowed

MAX_URL = 2048
_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# What `is_global` of the standard library lets through, in some of its versions, or can't know.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # behind a carrier's NAT; one cloud has its metadata here
        "168.63.129.16/32",  # another cloud's
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
# IPv6 addresses that contain an IPv4 address, which may be any: refused without a look at it.
_CARRIERS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "::/96",  # IPv4-compatible, loopback and unspecified
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "2001::/23",  # Teredo among others
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local, as it once was
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)


@dataclass(frozen=True)
class Address:
    """A URL in parts. `host` is a name or a literal address without brackets; `target` goes into the request line."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def checked(url: str, *, http: bool = False, ports: Sequence[int] = (80, 443)) -> Address:
    """The URL's parts, if all that can be told without asking anybody is in order.

    Args:
        url: as its sender wrote it.
        http: whether plain http will do.
        ports: those allowed.

    Raises:
        UrlNotAllowed: with the reason.
    """
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or re.search(r"[\s\\]", url):
        raise refused(f"a URL has at most {MAX_URL} characters, all ASCII, without blanks and backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refused("not a URL; expected one like https://example.com/ratings.csv") from None
    if parts.scheme not in _PORTS or (parts.scheme == "http" and not http):
        raise refused("its scheme is not https" + (" or http" if http else ""))
    if "@" in parts.netloc:
        raise refused("it holds a user name or password; the service sends none")
    port = _PORTS[parts.scheme] if port is None else port
    if port not in ports:
        raise refused(f"port {port} is not among those allowed ({', '.join(map(str, ports))})")
    host = _checked_host(parts.hostname or "", bracketed="[" in parts.netloc)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, host, port, target)


def is_public(address: str) -> bool:
    """Whether a literal IP address belongs to one machine on the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if not parsed.is_global or parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _REFUSED)
    if parsed.scope_id is not None or (int(parsed) >> 32) & 0xFFFFFFFF in _ISATAP:
        return False
    return not any(parsed in network for network in _CARRIERS)


def refused(reason: str) -> UrlNotAllowed:
    """The error of a URL that is refused for `reason`."""
    message = f"the URL can't be fetched: {reason}; give another one, or upload the file itself"
    return UrlNotAllowed(message, [FieldError("/url", "url_not_allowed", reason)])


def _checked_host(host: str, *, bracketed: bool) -> str:
    if bracketed:
        if not is_public(host):
            raise refused("its address is not a public one")
        return host
    labels = host.removesuffix(".").split(".")
    # As browsers read them, 2130706433, 0x7f.1 and 0177.0.0.1 are addresses: what ends in a number must be a plain one.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        try:
            literal: _IpAddress = ipaddress.IPv4Address(host)
        except ValueError:
            raise refused("its host looks like an address, but is not written as one, such as 93.184.216.34") from None
        if not is_public(str(literal)):
            raise refused("its address is not a public one")
        return str(literal)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise refused("its host is not a name such as example.com")
    if len(labels) == 1 or labels[-1] in ("localhost", "local", "internal", "localdomain", "home", "lan", "arpa"):
        raise refused("its host is not a public name")
    return host.removesuffix(".")
