"""Request context for services: who acts, client IP address, user agent, device token, request id.

Requests are anonymous until a guard has verified their token (`set_actor`), or a service has
verified something else that identifies the user (`RequestContext.authenticated_as`).
"""

import ipaddress
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from uuid import UUID

from flask import request

import config
from gatehouse.core.log import request_id
from gatehouse.web import cookies

NON_PRINTABLE = re.compile(r"[^\x20-\x7e]")
IP_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](?::\d+)?|(?P<v4>\d+\.\d+\.\d+\.\d+):\d+")
"""An IP address with a port, as some proxies write it; IPv6 in brackets."""

USER, OPERATOR, SYSTEM, ANONYMOUS = "user", "operator", "system", "anonymous"
SERVICE_ACCOUNT, IMPERSONATOR = "service_account", "impersonator"
"""A program; and an administrator who acts as another user."""
FIRST_PARTY_CLIENT = "gatehouse"
"""The `client_id` of our own API's tokens."""


@dataclass(frozen=True)
class Actor:
    """Who acts: a user, a service account, an operator, the system, or an anonymous client.

    A user who acts as another one is an impersonator.
    """

    kind: str
    id: UUID | None = None
    """The id of the user or service account."""
    client_id: str | None = None
    """The client it acts through: that of its token, or `gatehouse` for a user of our own API.

    For a service account it is the id of its API key.
    """

    @property
    def user_id(self) -> UUID | None:
        """The user's id; None for others."""
        return self.id if self.kind == USER else None


@dataclass(frozen=True)
class RequestContext:
    """Client data of a request: canonical IP address, printable ASCII user agent, request id."""

    ip_address: str
    user_agent: str
    request_id: str
    device_token: str = field(default="", repr=False)
    """The device token that the client sent, not yet verified; a secret."""
    device_token_from_cookie: bool = False
    """Whether it came in the cookie, unreadable for scripts; then no body may contain it either."""
    accept_language: str = ""
    """The value of `Accept-Language` (RFC 9110 section 12.5.4)."""
    actor: Actor = Actor(ANONYMOUS)

    @property
    def network(self) -> str:
        """An IPv4 /24, or the IPv6 /64 that a single machine can own."""
        return _network_of(self.ip_address, 64)

    @property
    def ip_prefix(self) -> str:
        """The prefix that counts as one client: an IPv4 /24, or the IPv6 /56 of a household.

        A household has 256 /64 networks (RIPE-690 section 4.2), which must not count as 256.
        """
        return ip_prefix_of(self.ip_address)

    def authenticated_as(self, user_id: UUID) -> "RequestContext":
        """Return the context after the request has identified its user to the first-party API."""
        return replace(self, actor=Actor(USER, user_id, FIRST_PARTY_CLIENT))


NO_CLIENT: dict[str, object] = {"ip_address": "", "user_agent": ""}
"""What is stored and shown instead of a client whose address does not concern the reader."""


def without_client(context: RequestContext) -> RequestContext:
    """Return the context for messages to others, whom the client's address does not concern."""
    return replace(context, ip_address="", user_agent="")


NO_REQUEST = RequestContext("", "", request_id="command-line", actor=Actor(OPERATOR))
"""The context of commands, which serve no request."""
BACKGROUND = replace(NO_REQUEST, actor=Actor(SYSTEM))
"""The context of workers and scheduled jobs."""


def ip_prefix_of(ip_address: str) -> str:
    """Return the prefix of a canonical IP address (see `ip_prefix`), or "" for ""."""
    return _network_of(ip_address, 56)


@lru_cache(4096)
def _network_of(ip_address: str, prefix_length: int) -> str:
    prefix_length = prefix_length if ":" in ip_address else 24
    return (
        str(ipaddress.ip_network(f"{ip_address}/{prefix_length}", strict=False))
        if ip_address
        else ""
    )


def set_actor(actor: Actor) -> None:
    """Set the actor of the current request; only for guards that have verified its token."""
    request.environ["gatehouse.actor"] = actor


def request_context() -> RequestContext:
    """Return the context of the current request."""
    user_agent = _printable_header("User-Agent", 400)
    ip_address = client_ip_address(*peer_and_forwarded_for(), trusted_hops())
    token_header = request.headers.get("X-Device-Token", "")
    device = token_header or cookies.get(cookies.DEVICE)
    languages = _printable_header("Accept-Language", 200)
    actor = request.environ.get("gatehouse.actor") or Actor(ANONYMOUS)
    client = (ip_address, user_agent, request_id())
    return RequestContext(*client, device, not token_header, languages, actor)


def _printable_header(header: str, max_length: int) -> str:
    return NON_PRINTABLE.sub("?", request.headers.get(header, ""))[:max_length]


def peer_and_forwarded_for() -> tuple[str, str]:
    """Return the IP address of the TCP peer, and the raw `X-Forwarded-For` header."""
    environ = request.environ
    return environ.get("REMOTE_ADDR") or "", environ.get("HTTP_X_FORWARDED_FOR", "")


def trusted_hops() -> int:
    """Return the number of trusted proxies in front of the service."""
    return config.settings().trusted_hops


def client_ip_address(peer: str, forwarded_for: str, hops: int) -> str:
    """Return the client's IP address as the outermost trusted proxy saw it, canonical.

    Each proxy appends its peer to `X-Forwarded-For`: with one hop the last entry is the client's,
    and entries further left are untrusted. If that entry is missing or no IP address, the request
    bypassed the proxies, and the TCP peer counts.
    """
    entries = forwarded_for.split(",")
    entry = entries[-hops] if 0 < hops <= len(entries) else ""
    return canonical_ip_address(_strip_port(entry.strip())) or canonical_ip_address(peer)


def _strip_port(entry: str) -> str:
    match = IP_WITH_PORT.fullmatch(entry)
    return (match["v6"] or match["v4"] or "") if match else entry


def canonical_ip_address(ip_address: str) -> str:
    """Return the canonical form of an IP address, or "" if it is none.

    An IPv4-mapped IPv6 address becomes IPv4 (RFC 4291 section 2.5.5.2).
    """
    try:
        parsed = ipaddress.ip_address(ip_address.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
