"""Issue and verify tokens. What a token is for is in its `TokenSpec` (see `specs`).

Flask-JWT-Extended signs with the active key. Verified access tokens are cached by the SHA-256 of
the whole token, so that the signature is verified once; expiry and revocation are checked each
time.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from flask_jwt_extended import create_access_token, create_refresh_token

from gatehouse.core.errors import ApiError
from gatehouse.tokens import jwt_verification, status_list, sync
from gatehouse.tokens.custom_claims import merge_claims
from gatehouse.tokens.errors import (
    ApiKeyNotAccepted,
    RefreshTokenExpired,
    RefreshTokenInvalid,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
)
from gatehouse.tokens.specs import (
    ACCESS,
    API_KEY_PREFIX,
    REFRESH,
    TYP,
    AcceptedTokens,
    SessionClaims,
    TokenSpec,
    first_party,
)
from gatehouse.tokens.worker_state import LEEWAY, TokenState, VersionChange, cache_verified
from gatehouse.web.request_context import FIRST_PARTY_CLIENT

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The claims of a verified access token (RFC 9068 section 2.2); times are Unix seconds."""

    sub: str
    sid: str
    jti: str
    iat: int
    exp: int
    auth_time: int
    amr: tuple[str, ...]
    acr: str
    roles: tuple[str, ...]
    scope: str
    versions: tuple[int, ...]
    """Those of the user's assignments and of `roles`; empty if issued by an older version."""
    actor_id: str | None = None
    """The administrator who acts as the user `sub`: the claim `act` (RFC 8693 section 4.1)."""


class RoleToken(Protocol):
    """What shows whether a token's roles are still those of its user."""

    @property
    def sub(self) -> str:
        """The user."""

    @property
    def iat(self) -> int:
        """When it was issued."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of the roles."""

    @property
    def versions(self) -> tuple[int, ...]:
        """The version of the user's assignments, then those of `roles`."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The claims of a verified refresh token: user, session and token id."""

    sub: str
    sid: str
    jti: str


def issue(spec: TokenSpec, subject: str, session: SessionClaims) -> str:
    """Sign a token with the active key; the same arguments give the same claims.

    Raises:
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    sync.current_state().require_keys()
    claims = _session_claims(spec, session)
    claims |= times(spec, session.issued_at)
    if spec.type == ACCESS:
        claims = merge_claims(claims, session.custom)
    return sign(spec, subject, claims)


def times(spec: TokenSpec, issued_at: int) -> dict[str, object]:
    """Return the claims `iat` and `exp`."""
    return {"iat": issued_at, "exp": issued_at + int(spec.lifetime.total_seconds())}


def sign(spec: TokenSpec, subject: str, claims: dict[str, object]) -> str:
    """Sign claims as a token of the type in its spec."""
    create = create_access_token if spec.type == ACCESS else create_refresh_token
    encoded: str = create(
        subject, additional_claims=claims, additional_headers={"typ": TYP[spec.type]}
    )
    return encoded


def _session_claims(spec: TokenSpec, session: SessionClaims) -> dict[str, object]:
    """Return the claims of a type; our own refresh tokens, which only we read, name no client."""
    claims: dict[str, object] = {"sid": session.sid, "jti": session.jti, "aud": spec.audience}
    if spec.type == REFRESH:
        return claims | (
            {} if spec.client_id == FIRST_PARTY_CLIENT else {"client_id": spec.client_id}
        )
    return claims | {
        "auth_time": session.auth_time,
        "amr": list(session.amr),
        "acr": session.acr,
        "roles": list(session.roles),
        **({"versions": list(session.versions)} if session.versions else {}),
        "scope": spec.scope,
        **status_list.build_claim(session.status_index),
        **({"act": {"sub": session.actor_id}} if session.actor_id else {}),
        "client_id": spec.client_id,
    }


def is_api_key(encoded: str) -> bool:
    """Return whether a bearer token is an API key, valid or not."""
    return encoded.startswith(API_KEY_PREFIX)


def verify_access(encoded: str) -> AccessToken:
    """Verify an access token of our own API and return its claims.

    Raises:
        TokenInvalid, TokenExpired: it is not a valid token of ours, or has expired or is outdated.
        ApiKeyNotAccepted: it is an API key.
        TokenRevoked: its session has ended.
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    tokens = sync.current_state()
    token: AccessToken = find_verified(encoded, tokens, _parse_access, first_party(ACCESS))
    if token.sid in tokens.revoked:
        raise TokenRevoked
    require_current(token, tokens)
    return token


def find_verified(
    encoded: str, tokens: TokenState, parse: Callable[[Json], Any], accepted: AcceptedTokens
) -> Any:
    """Return an access token from the cache, else verify it; it has not expired.

    Raises:
        TokenInvalid, TokenExpired: it is not a valid token of ours, or has expired.
        ApiKeyNotAccepted: it is an API key.
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    if is_api_key(encoded):
        raise ApiKeyNotAccepted
    tokens.require_keys()
    fingerprint = fingerprint_of(encoded, accepted)
    verified = tokens.verified  # a change of keys replaces this dict
    token = verified.get(fingerprint)
    if token is None:
        token = parse(_verified_claims(encoded, accepted, TokenInvalid, TokenExpired))
        cache_verified(verified, fingerprint, token)
    if token.exp + LEEWAY <= jwt_verification.time_for(token.iat):
        verified.pop(fingerprint, None)
        raise TokenExpired
    return token


def fingerprint_of(encoded: str, accepted: AcceptedTokens) -> bytes:
    """Return the key of a token in the cache; those of clients never are those of our own API."""
    digest = hashlib.sha256(encoded.encode("utf-8", "surrogateescape")).digest()
    return digest if accepted.client_ids else b"client " + digest


def require_current(token: RoleToken, tokens: TokenState) -> None:
    """Require that what the user and the roles may do has not changed after the token.

    Raises:
        TokenExpired: it has.
    """
    if (tokens.changes["user"] or tokens.changes["role"]) and _is_outdated(token, tokens.changes):
        raise TokenExpired


def verify_refresh(encoded: str) -> RefreshToken:
    """Verify a refresh token of our own API; `sessions` checks whether it was used.

    Raises:
        RefreshTokenInvalid, RefreshTokenExpired: it is not a valid token of ours, or has expired.
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    sync.current_state().require_keys()
    accepted = first_party(REFRESH)
    claims = _verified_claims(encoded, accepted, RefreshTokenInvalid, RefreshTokenExpired)
    return RefreshToken(claims["sub"], claims["sid"], claims["jti"])


def _parse_access(claims: Json) -> AccessToken:
    return AccessToken(
        sub=claims["sub"],
        sid=claims["sid"],
        jti=claims["jti"],
        iat=claims["iat"],
        exp=claims["exp"],
        auth_time=claims["auth_time"],
        amr=tuple(claims["amr"]),
        acr=claims["acr"],
        roles=tuple(claims["roles"]),
        scope=claims["scope"],
        versions=tuple(claims.get("versions", ())),
        actor_id=claims["act"]["sub"] if "act" in claims else None,
    )


def _is_outdated(token: RoleToken, changes: dict[str, dict[str, VersionChange]]) -> bool:
    """Return whether the user's roles, or what one of them grants, changed after the token."""
    versions = token.versions or (None,) * (1 + len(token.roles))
    if len(versions) != 1 + len(token.roles):
        return True
    user, roles = changes["user"].get(token.sub), changes["role"]
    found = [user, *(roles.get(role) for role in token.roles)]
    return any(
        change.version > version if version is not None else change.changed_at + LEEWAY > token.iat
        for change, version in zip(found, versions, strict=True)
        if change is not None
    )


def _verified_claims(
    encoded: str, accepted: AcceptedTokens, invalid: type[ApiError], expired: type[ApiError]
) -> Json:
    """Return the verified claims, or raise `invalid` or `expired`."""
    try:
        return jwt_verification.verify_jwt(encoded, accepted)
    except jwt_verification.Expired:
        raise expired from None
    except jwt_verification.TokenMalformed:
        raise invalid from None
