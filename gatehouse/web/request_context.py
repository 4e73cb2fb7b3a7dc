"""Who is at the door: what services may know about the request they serve."""

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache

from flask import request

import config
from gatehouse.core.log import request_id
from gatehouse.web import cookies

UNSAFE = re.compile(r"[^\x20-\x7e]")
WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](?::\d+)?|(?P<v4>\d+\.\d+\.\d+\.\d+):\d+")
"""How some proxies write an address: with the port of the connection, IPv6 in brackets."""


@dataclass(frozen=True)
class Visitor:
    """An address in its canonical form, a user agent in printable ASCII, and the request's id."""

    address: str
    user_agent: str
    request_id: str
    device: str = field(default="", repr=False)
    """The device token that the visitor presented, unjudged; it is a secret."""
    device_by_cookie: bool = False
    """Whether it came in the cookie, where scripts cannot read it: no body may tell it either."""
    languages: str = ""
    """What the visitor reads, as `Accept-Language` says it (RFC 9110 section 12.5.4)."""

    @property
    def network(self) -> str:
        """An IPv4 /24, or the IPv6 /64 that a single machine can have to itself."""
        return _network_of(self.address, 64)

    @property
    def site(self) -> str:
        """What is taken for one sender among many: an IPv4 /24, or the IPv6 /56 of a household.

        A household has 256 networks of its own (RIPE-690 section 4.2), and could be a crowd.
        """
        return site_of(self.address)


NOBODY = Visitor(address="", user_agent="", request_id="command-line")
"""The operator at the command line."""


def site_of(address: str) -> str:
    """Return the site of an address in its canonical form, or nothing where there is none."""
    return _network_of(address, 56)


@lru_cache(4096)
def _network_of(address: str, length: int) -> str:
    length = length if ":" in address else 24
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False)) if address else ""


def visitor() -> Visitor:
    """Describe the sender of the current request."""
    agent = _printable("User-Agent", 400)
    address = client_address(*connection(), hops())
    told = request.headers.get("X-Device-Token", "")
    device = told or cookies.brought(cookies.DEVICE)
    languages = _printable("Accept-Language", 200)
    return Visitor(address, agent, request_id(), device, not told, languages)


def _printable(header: str, longest: int) -> str:
    return UNSAFE.sub("?", request.headers.get(header, ""))[:longest]


def connection() -> tuple[str, str]:
    """Return who sent the current request to us, and `X-Forwarded-For` as it arrived."""
    environ = request.environ
    return environ.get("REMOTE_ADDR") or "", environ.get("HTTP_X_FORWARDED_FOR", "")


def hops() -> int:
    """Return the number of proxies that are ours."""
    return config.settings().trusted_hops


def client_address(peer: str, chain: str, hops: int) -> str:
    """Return the address that the outermost of our proxies saw, in its canonical form.

    Each proxy appends to `X-Forwarded-For` whom it heard: with one hop the last entry is the
    client's. What stands further left was written by strangers. Where that entry is missing or no
    address, the peer's counts: then a request came past the proxies, and may not choose.
    """
    entries = chain.split(",")
    told = entries[-hops] if 0 < hops <= len(entries) else ""
    return canonical_address(_bare(told.strip())) or canonical_address(peer)


def _bare(entry: str) -> str:
    found = WITH_PORT.fullmatch(entry)
    return (found["v6"] or found["v4"] or "") if found else entry


def canonical_address(address: str) -> str:
    """Return an IP address in one spelling; IPv4 in IPv6 is IPv4 (RFC 4291 section 2.5.5.2)."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
