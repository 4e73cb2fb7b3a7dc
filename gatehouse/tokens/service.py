"""Sign and verify tokens. Each type has its own `typ`, `type` and `aud`, checked together.

Flask-JWT-Extended signs with the active key. Verified access tokens are cached by the SHA-256 of
the whole token, so that the signature is verified once; expiry and revocation are checked each
time.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_jwt_extended import create_access_token, create_refresh_token

from gatehouse.core import clock
from gatehouse.core.errors import ApiError
from gatehouse.tokens import jwt_verification, sync
from gatehouse.tokens.errors import (
    RefreshTokenExpired,
    RefreshTokenInvalid,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
)
from gatehouse.tokens.worker_state import LEEWAY, cache_verified
from gatehouse.web.request_context import FIRST_PARTY_CLIENT


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The claims of a verified access token (RFC 9068 section 2.2); times are Unix seconds."""

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
    """The claims of a verified refresh token: user, session and token id."""

    sub: str
    sid: str
    jti: str


def sign_access(user_id: str, claims: dict[str, Any], expires_at: datetime) -> str:
    """Return an access token (RFC 9068); `claims` are those of the session and its user."""
    own = {
        "client_id": FIRST_PARTY_CLIENT,
        "iat": clock.unix_time(),
        "exp": int(expires_at.timestamp()),
    }
    sync.current_state().require_keys()
    encoded: str = create_access_token(
        user_id, additional_claims=claims | own, additional_headers={"typ": "at+jwt"}
    )
    return encoded


def sign_refresh(token: RefreshToken, issued_at: datetime, expires_at: datetime) -> str:
    """Return a refresh token; the same values give the same claims, `jti` included."""
    claims = {
        "sid": token.sid,
        "jti": token.jti,
        "aud": jwt_verification.refresh_audience(),
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    sync.current_state().require_keys()
    encoded: str = create_refresh_token(
        token.sub, additional_claims=claims, additional_headers={"typ": "rt+jwt"}
    )
    return encoded


def verify_access(encoded: str) -> AccessToken:
    """Verify an access token and return its claims.

    Raises:
        TokenInvalid, TokenExpired: it is not a valid token of ours, or has expired.
        TokenRevoked: its session has ended.
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    tokens = sync.current_state()
    tokens.require_keys()
    fingerprint = hashlib.sha256(encoded.encode("utf-8", "surrogateescape")).digest()
    verified = tokens.verified  # a change of keys replaces this dict
    token = verified.get(fingerprint)
    if token is None:
        token = _parse_access(_verified_claims(encoded, "access", TokenInvalid, TokenExpired))
        cache_verified(verified, fingerprint, token)
    if token.exp + LEEWAY <= clock.unix_time():
        verified.pop(fingerprint, None)
        raise TokenExpired
    if token.sid in tokens.revoked:
        raise TokenRevoked
    return token


def verify_refresh(encoded: str) -> RefreshToken:
    """Verify a refresh token and return its claims; `sessions` checks whether it was used.

    Raises:
        RefreshTokenInvalid, RefreshTokenExpired: it is not a valid token of ours, or has expired.
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    sync.current_state().require_keys()
    claims = _verified_claims(encoded, "refresh", RefreshTokenInvalid, RefreshTokenExpired)
    return RefreshToken(claims["sub"], claims["sid"], claims["jti"])


def _parse_access(claims: dict[str, Any]) -> AccessToken:
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


def _verified_claims(
    encoded: str, token_type: str, invalid: type[ApiError], expired: type[ApiError]
) -> dict[str, Any]:
    """Return the verified claims, or raise `invalid` or `expired`."""
    try:
        return jwt_verification.verify_jwt(encoded, token_type)
    except jwt_verification.Expired:
        raise expired from None
    except jwt_verification.TokenMalformed:
        raise invalid from None
