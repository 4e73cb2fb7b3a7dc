"""Our four cookies: how they are written, and how they are read from the raw header text.

Browsers, proxies and libraries disagree about doubled names, commas and quotes, and a page of a
sibling host can plant more cookies beside ours. So nothing is guessed: one pair at most begins
with a name of ours, and has a plain value, or the request is refused. Cookies of others are not
looked at, whatever stands in them.
"""

import re

from flask import request

from gatehouse.core.errors import MalformedRequest

ACCESS, REFRESH = "__Host-access", "__Secure-refresh"
CSRF, DEVICE = "__Host-csrf", "__Host-device"
HOST_ONLY = (ACCESS, CSRF, DEVICE)
"""Names that browsers let nobody but this very host set (RFC 6265bis section 4.1.3.2)."""

VALUE = re.compile(r"[A-Za-z0-9._-]+")
LONGEST = 4096  # bytes of name and value; browsers drop what is longer, RFC 6265bis section 5.6
AMBIGUOUS = (
    "A cookie of this service is broken or stands in the request twice; "
    "delete the cookies of this site."
)


def read(header: str, name: str) -> str:
    """Return the value of a cookie in the text of a `Cookie` header, or "" where it has none.

    Raises:
        MalformedRequest: others could read another value there, or it is not one of ours.
    """
    start = f"{name}="
    if start not in header:
        return ""
    pairs = [pair.strip(" \t") for pair in header.split(";")]
    values = [pair.removeprefix(start) for pair in pairs if pair.startswith(start)]
    if len(values) > 1 or not all(map(VALUE.fullmatch, values)):
        raise MalformedRequest(AMBIGUOUS)
    return "".join(values)


def brought(name: str) -> str:
    """Return the value of a cookie of the current request, or "".

    With a bearer token there is none: such a request is judged by that token alone.
    """
    return "" if has_bearer() else read(request.environ.get("HTTP_COOKIE", ""), name)


def has_bearer() -> bool:
    """Tell whether the request has `Authorization: Bearer`; no other scheme means anything."""
    scheme: str = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")[0]
    return scheme.lower() == "bearer"


def refuse_ambiguous() -> None:
    """Check the names that no sibling can plant, on every request.

    The refresh cookie can be planted beside ours (its path is not `/`), so it is checked where it
    is read: a hostile sibling must not shut the doors that do not need it, such as logging in.
    """
    if "__Host-" in request.environ.get("HTTP_COOKIE", ""):
        for name in HOST_ONLY:
            brought(name)


def keep(name: str, value: str, seconds: int) -> str:
    """Return the `Set-Cookie` text of a cookie of ours."""
    if len(name) + len(value) > LONGEST:
        raise ValueError(f"the cookie {name} is too long: browsers would drop it")
    path = "/auth" if name == REFRESH else "/"
    scripts = "" if name == CSRF else " HttpOnly;"
    return f"{name}={value}; Max-Age={seconds}; Path={path}; Secure;{scripts} SameSite=Lax"


def expire(name: str) -> str:
    """Return the `Set-Cookie` text that makes a browser forget a cookie of ours."""
    return keep(name, "", 0)
