"""The service's cookies: writing `Set-Cookie`, and strict parsing of the raw `Cookie` header.

Browsers, proxies and libraries disagree about duplicate names, commas and quotes, and a page of a
sibling host can set further cookies of the same name. So parsing is strict: at most one pair may
have one of our names, with a plain value, or the request is rejected. Other cookies are ignored.
"""

import re

from flask import request

from gatehouse.core.errors import MalformedRequest

ACCESS, REFRESH = "__Host-access", "__Secure-refresh"
CSRF, DEVICE = "__Host-csrf", "__Host-device"
FEDERATION = "__Host-federation"
"""Binds a sign-in with a provider to the browser that began it."""
HOST_PREFIXED = (ACCESS, CSRF, DEVICE, FEDERATION)
"""Names that browsers let only this host set (RFC 6265bis section 4.1.3.2)."""

COOKIE_VALUE = re.compile(r"[A-Za-z0-9._-]+")
MAX_BYTES = 4096  # of name and value; browsers drop longer cookies, RFC 6265bis section 5.6
AMBIGUOUS_COOKIE = (
    "A cookie of this service is malformed or was sent twice. "
    "Delete the cookies of this site, then try again."
)


def parse_cookie(header: str, name: str) -> str:
    """Return the value of a cookie in a `Cookie` header, or "" if it is absent.

    Raises:
        MalformedRequest: the name occurs twice, or the value has characters that we never send.
    """
    start = f"{name}="
    if start not in header:
        return ""
    pairs = [pair.strip(" \t") for pair in header.split(";")]
    values = [pair.removeprefix(start) for pair in pairs if pair.startswith(start)]
    if len(values) > 1 or not all(map(COOKIE_VALUE.fullmatch, values)):
        raise MalformedRequest(AMBIGUOUS_COOKIE)
    return "".join(values)


def get(name: str) -> str:
    """Return the value of a cookie of the current request, or "".

    A request with a bearer token is authenticated by that token alone: its cookies are ignored.
    """
    return "" if has_bearer() else parse_cookie(request.environ.get("HTTP_COOKIE", ""), name)


def has_bearer() -> bool:
    """Return whether the request has `Authorization: Bearer`; other schemes are ignored."""
    scheme: str = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")[0]
    return scheme.lower() == "bearer"


def reject_ambiguous() -> None:
    """Reject a request whose `__Host-` cookies are malformed or duplicated.

    The refresh cookie is checked only where it is read: a sibling host can set another one (its
    path is not `/`), and must not be able to block routes that do not need it, such as the login.
    """
    if "__Host-" in request.environ.get("HTTP_COOKIE", ""):
        for name in HOST_PREFIXED:
            get(name)


def set_cookie_header(name: str, value: str, max_age: int) -> str:
    """Return a `Set-Cookie` value; `max_age` is in seconds."""
    if len(name) + len(value) > MAX_BYTES:
        raise ValueError(f"the cookie {name} is too long: browsers would drop it")
    path = "/auth" if name == REFRESH else "/"
    http_only = "" if name == CSRF else " HttpOnly;"
    return f"{name}={value}; Max-Age={max_age}; Path={path}; Secure;{http_only} SameSite=Lax"


def expire_cookie_header(name: str) -> str:
    """Return the `Set-Cookie` value that makes a browser delete a cookie."""
    return set_cookie_header(name, "", 0)
