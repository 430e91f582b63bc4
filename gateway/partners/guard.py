"""Where the gateway may connect to: https, addresses that are public or on the operator's list, each vetted once.

A name is resolved once, every address it has is checked, and the connection goes to a checked address; a name that
changes its mind in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

Resolver = Callable[[str, int], Awaitable[list[str]]]

# Forms that carry an IPv4 address inside an IPv6 one; what they lead to must be vetted too. The standard library
# calls some of these global.
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Global to the standard library, and never a receiver's: translation of one's own network, old site-local, relays,
# documentation, segment routing.
NEVER = tuple(
    ipaddress.ip_network(text) for text in ("64:ff9b:1::/48", "fec0::/10", "192.88.99.0/24", "3fff::/20", "5f00::/16", "::/96")
)
PLAIN = re.compile(r"[!-\[\]-~]{0,1024}")  # printable, without spaces and backslashes
STANDARD_PORTS = {"https": 443, "http": 80}
FIRST_FREE_PORT = 1024  # below it, other services listen
RESOLVERS = ThreadPoolExecutor(16, thread_name_prefix="resolve")  # a name server that hangs delays its own names only
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Refused(ValueError):
    """An address that is not connected to; the text says why, without naming what it resolved to."""


@dataclass(frozen=True, slots=True)
class Target:
    """A vetted destination: connect to ``address``, speak to ``host``."""

    scheme: str
    host: str
    port: int
    path: str
    address: str

    @property
    def url(self) -> str:
        """The URL with the vetted address in place of the name."""
        literal = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{literal}:{self.port}{self.path}"

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == STANDARD_PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str, *, loopback_allowed: bool = False) -> None:
    """Refuse what can be told from the text alone: scheme, credentials, a literal address that is not allowed."""
    parts = _split(url)
    host = parts.hostname or ""
    if parts.scheme == "http" and not (loopback_allowed and host in LOOPBACK_NAMES):
        raise Refused("An endpoint must be https.")
    if parts.scheme not in ("https", "http"):
        raise Refused("An endpoint must be https.")
    if "@" in parts.netloc or "#" in url:
        raise Refused("An endpoint has no credentials and no fragment.")
    if not loopback_allowed and _port(parts) < FIRST_FREE_PORT and _port(parts) != STANDARD_PORTS["https"]:
        raise Refused("An endpoint is at port 443 or at one above 1023.")


def _port(parts: SplitResult) -> int:
    return parts.port or STANDARD_PORTS.get(parts.scheme, 0)


@lru_cache(maxsize=1024)  # each post asks twice
def _split(url: str) -> SplitResult:
    if not PLAIN.fullmatch(url):
        raise Refused("The endpoint is not a plain URL.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("The endpoint is not a URL.") from None
    if not parts.hostname or port == 0:
        raise Refused("The endpoint names no host.")
    return parts


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a name. Raises OSError or ValueError where it has none."""
    return await asyncio.get_running_loop().run_in_executor(RESOLVERS, _look_up, host, port)


def _look_up(host: str, port: int) -> list[str]:
    return [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


async def vet(
    url: str, *, loopback_allowed: bool = False, allowed: tuple[Network, ...] = (), resolver: Resolver = resolve
) -> Target:
    """Resolve the host once and check every address it has. Raises Refused."""
    check_url(url, loopback_allowed=loopback_allowed)
    parts = _split(url)
    host, port = str(parts.hostname), _port(parts)
    try:
        found = [host] if _is_literal(host) else await resolver(host, port)
        addresses = [ipaddress.ip_address(text.split("%")[0]) for text in found]
    except (OSError, ValueError):
        raise Refused("The endpoint's host cannot be resolved.") from None
    if not addresses or not all(_is_allowed(address, loopback_allowed, allowed) for address in addresses):
        raise Refused("The endpoint's host has an address that is not allowed.")
    return Target(parts.scheme, host, port, path_of(url), str(addresses[0]))


def path_of(url: str) -> str:
    """What is asked for at the destination. Raises Refused."""
    parts = _split(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def leads_to_the_same(one: str, other: str) -> bool:
    """Whether two URLs have one destination: scheme, name and port. What is no URL has none."""
    if one == other:
        return True
    try:
        mine, theirs = _split(one), _split(other)
    except Refused:
        return False
    return (mine.scheme, mine.hostname, _port(mine)) == (theirs.scheme, theirs.hostname, _port(theirs))


def _is_literal(host: str) -> bool:
    """An address as it is written out in full: there is nothing to resolve. Short and odd forms are left to the resolver."""
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _is_allowed(address: Address, loopback_allowed: bool, allowed: tuple[Network, ...]) -> bool:
    inner = _inner(address)
    if inner is not None:
        return _is_allowed(inner, loopback_allowed, allowed)
    if any(address in network for network in allowed):
        return True
    if any(address in network for network in NEVER):
        return loopback_allowed and address.is_loopback
    if address.is_loopback:
        return loopback_allowed
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address carries: mapped, NAT64, 6to4, Teredo."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour:
        return address.sixtofour
    return address.teredo[1] if address.teredo else None
