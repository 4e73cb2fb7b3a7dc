"""Signing and verifying tokens. Each kind has its own `typ`, `type` and `aud`, judged together.

Flask-JWT-Extended signs; the keys come from the ring. A verified access token is kept, by the
SHA-256 of all of it, so that asking again costs no signature; its expiry and the revocation of its
session are judged each time.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_jwt_extended import create_access_token, create_refresh_token

from gatehouse.core import clock
from gatehouse.core.errors import Refusal
from gatehouse.tokens import jwt_verification, sync
from gatehouse.tokens.errors import (
    RefreshTokenExpired,
    RefreshTokenInvalid,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
)
from gatehouse.tokens.worker_state import LEEWAY, remember

CLIENT = "gatehouse"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified access token says (RFC 9068 section 2.2); ids as text, times as seconds."""

    sub: str
    sid: str
    jti: str
    exp: int
    auth_time: int
    amr: tuple[str, ...]
    acr: str
    roles: tuple[str, ...]
    scope: str


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a verified refresh token says: whose session, and which of its tokens."""

    sub: str
    sid: str
    jti: str


def sign_access(user_id: str, claims: dict[str, Any], expires_at: datetime) -> str:
    """Return an access token (RFC 9068); `claims` are those of the session and of the person."""
    own = {"client_id": CLIENT, "iat": clock.seconds(), "exp": int(expires_at.timestamp())}
    sync.up_to_date().keys()
    encoded: str = create_access_token(
        user_id, additional_claims=claims | own, additional_headers={"typ": "at+jwt"}
    )
    return encoded


def sign_refresh(token: RefreshToken, issued_at: datetime, expires_at: datetime) -> str:
    """Return a refresh token; signed again with the same values it is the same token."""
    claims = {
        "sid": token.sid,
        "jti": token.jti,
        "aud": jwt_verification.refresh_audience(),
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    sync.up_to_date().keys()
    encoded: str = create_refresh_token(
        token.sub, additional_claims=claims, additional_headers={"typ": "rt+jwt"}
    )
    return encoded


def verify_access(encoded: str) -> AccessToken:
    """Return what an access token says.

    Raises:
        TokenInvalid, TokenExpired: it is not one of ours, or no longer.
        TokenRevoked: its session was ended.
        ServiceUnavailable: that cannot be told right now.
    """
    tokens = sync.up_to_date()
    tokens.keys()
    fingerprint = hashlib.sha256(encoded.encode("utf-8", "surrogateescape")).digest()
    verified = tokens.verified  # of these keys; a change of keys puts another one in its place
    token = verified.get(fingerprint)
    if token is None:
        token = _access(_claims(encoded, "access", TokenInvalid, TokenExpired))
        remember(verified, fingerprint, token)
    if token.exp + LEEWAY <= clock.seconds():
        verified.pop(fingerprint, None)
        raise TokenExpired
    if token.sid in tokens.revoked:
        raise TokenRevoked
    return token


def verify_refresh(encoded: str) -> RefreshToken:
    """Return what a refresh token says; whether it may still be used is for the session to say.

    Raises:
        RefreshTokenInvalid, RefreshTokenExpired: it is not one of ours, or no longer.
    """
    sync.up_to_date().keys()
    claims = _claims(encoded, "refresh", RefreshTokenInvalid, RefreshTokenExpired)
    return RefreshToken(claims["sub"], claims["sid"], claims["jti"])


def _access(claims: dict[str, Any]) -> AccessToken:
    return AccessToken(
        sub=claims["sub"],
        sid=claims["sid"],
        jti=claims["jti"],
        exp=claims["exp"],
        auth_time=claims["auth_time"],
        amr=tuple(claims["amr"]),
        acr=claims["acr"],
        roles=tuple(claims["roles"]),
        scope=claims["scope"],
    )


def _claims(
    encoded: str, kind: str, invalid: type[Refusal], expired: type[Refusal]
) -> dict[str, Any]:
    """Return the verified claims, or raise the refusal that says why there are none."""
    try:
        return jwt_verification.claims_of(encoded, kind)
    except jwt_verification.Expired:
        raise expired from None
    except jwt_verification.Foreign:
        raise invalid from None
