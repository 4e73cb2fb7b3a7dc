"""Who is at the door: what services may know about the request they serve."""

import ipaddress
import re
from dataclasses import dataclass

from flask import request

UNSAFE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True)
class Visitor:
    """An address in its canonical form, a user agent in printable ASCII, and the request's id."""

    address: str
    user_agent: str
    request_id: str


NOBODY = Visitor(address="", user_agent="", request_id="command-line")
"""The operator at the command line."""


def visitor() -> Visitor:
    """Describe the sender of the current request."""
    agent = UNSAFE.sub("?", request.headers.get("User-Agent", ""))[:400]
    return Visitor(canonical_address(request.remote_addr or ""), agent, request_id())


def canonical_address(address: str) -> str:
    """Return an IP address in one spelling; IPv4 in IPv6 is IPv4 (RFC 4291 section 2.5.5.2)."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def request_id() -> str:
    """Return the id of the current request (see `envelope`)."""
    return str(request.environ["gatehouse.request_id"])
