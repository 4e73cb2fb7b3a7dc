"""What a request brings to be judged by: a bearer token alone, else cookies; never the URL."""

from typing import TypeAlias

from flask import request

from gatehouse.core import crypto
from gatehouse.tokens import service as tokens
from gatehouse.tokens.errors import (
    RefreshTokenMissing,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
)
from gatehouse.tokens.service import AccessToken, RefreshToken
from gatehouse.web import cookies

Holder: TypeAlias = AccessToken | RefreshToken
"""Who is signed in, and in which session: either token tells."""

CSRF = "csrf"
"""The purpose of the digest that is a session's CSRF token."""
NOBODY = (TokenMissing, TokenInvalid, TokenExpired, TokenRevoked)
"""The refusals that say that nobody is signed in."""


def bearer() -> str:
    """Return the token of `Authorization: Bearer ...` (RFC 6750 section 2.1).

    Raises:
        TokenMissing: there is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing
    return token.strip()


def bearer_or_none() -> str | None:
    """Return the bearer token, if one was sent."""
    try:
        return bearer()
    except TokenMissing:
        return None


def access_cookie() -> AccessToken:
    """Return what the access cookie says.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired, TokenRevoked: there is none that is good.
    """
    encoded = cookies.brought(cookies.ACCESS)
    if not encoded:
        raise TokenMissing
    return tokens.verify_access(encoded)


def refresh_cookie() -> str:
    """Return the refresh cookie, unjudged.

    Raises:
        RefreshTokenMissing: there is none.
    """
    encoded = cookies.brought(cookies.REFRESH)
    if not encoded:
        raise RefreshTokenMissing
    return encoded


def come_by_cookie() -> bool:
    """Tell whether the sender is a browser that has cookies of ours, good or not, and no bearer."""
    names = (cookies.ACCESS, cookies.DEVICE, cookies.CSRF, cookies.REFRESH)
    if "cookie" in request.environ.get("gatehouse.unreadable", ()):
        return not cookies.has_bearer()
    return any(cookies.brought(name) for name in names)


def holder() -> Holder:
    """Return whose the cookies are: the access cookie tells, else the refresh cookie.

    A sibling host can plant a refresh cookie, of its own session, but not the CSRF cookie beside
    it: without that one nobody is told what the session's writes need.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired: nobody's.
    """
    try:
        return access_cookie()
    except NOBODY:
        found = tokens.verify_refresh(refresh_cookie())
        if cookies.brought(cookies.CSRF) not in crypto.keyed_digests(CSRF, found.sid):
            raise RefreshTokenMissing from None
        return found
