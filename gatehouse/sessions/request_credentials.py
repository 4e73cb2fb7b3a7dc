"""Read the credentials of a request: its bearer token, else its cookies; never the URL."""

from typing import TypeAlias
from uuid import UUID

from flask import request

from gatehouse.core import crypto, crypto_labels
from gatehouse.tokens import service as tokens
from gatehouse.tokens.errors import (
    ApiKeyNotAccepted,
    RefreshTokenMissing,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
)
from gatehouse.tokens.service import AccessToken, RefreshToken
from gatehouse.web import cookies
from gatehouse.web.request_context import FIRST_PARTY_CLIENT, IMPERSONATOR, USER, Actor

SessionRef: TypeAlias = AccessToken | RefreshToken
"""A verified token of either type: both name user and session."""

CSRF_PURPOSE = crypto_labels.CSRF
"""The purpose of the keyed digest that is the CSRF token of a session."""
NOT_AUTHENTICATED = (
    TokenMissing,
    TokenInvalid,
    ApiKeyNotAccepted,
    TokenExpired,
    TokenRevoked,
)
"""The errors of a request that is not authenticated."""


def bearer_token() -> str:
    """Return the token of `Authorization: Bearer ...` (RFC 6750 section 2.1).

    Raises:
        TokenMissing: there is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing
    return token.strip()


def bearer_token_or_none() -> str | None:
    """Return the bearer token, if one was sent."""
    try:
        return bearer_token()
    except TokenMissing:
        return None


def access_cookie() -> AccessToken:
    """Return the verified token of the access cookie.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired, TokenRevoked: there is no valid one, or it is
            one of impersonation, which no cookie contains.
    """
    encoded = cookies.get(cookies.ACCESS)
    if not encoded:
        raise TokenMissing
    found = tokens.verify_access(encoded)
    if found.actor_id:
        raise TokenInvalid
    return found


def get_actor(token: SessionRef) -> Actor:
    """Return who acts with a token: its user, or an administrator who acts as the user."""
    if isinstance(token, AccessToken) and token.actor_id:
        return Actor(IMPERSONATOR, UUID(token.actor_id), FIRST_PARTY_CLIENT)
    return Actor(USER, UUID(token.sub), FIRST_PARTY_CLIENT)


def refresh_cookie() -> str:
    """Return the refresh cookie, unverified.

    Raises:
        RefreshTokenMissing: there is none.
    """
    encoded = cookies.get(cookies.REFRESH)
    if not encoded:
        raise RefreshTokenMissing
    return encoded


def has_our_cookies() -> bool:
    """Return whether a request has cookies of ours, valid or not, and no bearer token."""
    names = (cookies.ACCESS, cookies.DEVICE, cookies.CSRF, cookies.REFRESH)
    if "cookie" in request.environ.get("gatehouse.unreadable", ()):
        return not cookies.has_bearer()
    return any(cookies.get(name) for name in names)


def session_from_cookies() -> SessionRef:
    """Return the verified token of the access cookie, else of the refresh cookie.

    A sibling host can plant a refresh cookie of its own session, but not the `__Host-` CSRF cookie,
    so the refresh cookie counts only with the CSRF token of the same session.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired: there is no valid cookie.
    """
    try:
        return access_cookie()
    except NOT_AUTHENTICATED:
        found = tokens.verify_refresh(refresh_cookie())
        if cookies.get(cookies.CSRF) not in crypto.keyed_digests(CSRF_PURPOSE, found.sid):
            raise RefreshTokenMissing from None
        return found
