"""The token pair of a session: what the access token and the refresh token say."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Row

import config
from gatehouse.authorization.roles import EffectiveRoles
from gatehouse.core import crypto
from gatehouse.hooks import token_claims
from gatehouse.sessions import assurance
from gatehouse.tokens import service as tokens
from gatehouse.tokens import specs
from gatehouse.tokens.specs import SessionClaims
from gatehouse.tokens.worker_state import LEEWAY
from models import Session

STATE_COLUMNS = (
    "current_token_id",
    "token_issued_at",
    "idle_at",
    "expires_at",
    "authenticated_at",
    "aal2_authenticated_at",
    "amr",
    "acr",
)
"""The columns of a session that its tokens are made of."""
SessionState: TypeAlias = Session | Row[object]
"""A session, or a row with STATE_COLUMNS."""


@dataclass(frozen=True)
class TokenPair:
    """The result of a login or refresh: access token, refresh token and the user's profile."""

    session_id: UUID
    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int
    user: dict[str, object]
    device_token: str | None = None
    """Only after a login; a refresh returns none."""
    token_type: str = "Bearer"  # noqa: S105 - the token type, RFC 6750 section 6.1.1


@dataclass(frozen=True, slots=True)
class TokenSubject:
    """Whom tokens are issued to: a session, its user, and its index in the status lists."""

    session_id: UUID
    profile: dict[str, Any]
    roles: EffectiveRoles
    claims: dict[str, object]
    """Those that the attributes of the user become."""
    status_index: int | None
    actor_id: UUID | None = None
    """The administrator who acts as the user."""


def sign_tokens(session: SessionState, subject: TokenSubject, now: datetime) -> TokenPair:
    """Sign a token pair; all its times count from the same instant, `now`."""
    user_id, sid = subject.profile["id"], str(subject.session_id)
    access_token, expires_in = sign_access_token(
        session, subject, now, config.settings().access_token_lifetime
    )
    current = SessionClaims(
        sid, str(session.current_token_id), _unix_time(session.token_issued_at or now)
    )
    idle_limit = _unix_time(session.idle_at)
    refresh = specs.refresh_token(timedelta(seconds=idle_limit - current.issued_at))
    return TokenPair(
        session_id=subject.session_id,
        access_token=access_token,
        refresh_token=tokens.issue(refresh, user_id, current),
        expires_in=expires_in,
        refresh_expires_in=idle_limit - _unix_time(now),
        user=subject.profile,
    )


def sign_access_token(
    session: SessionState, subject: TokenSubject, now: datetime, max_lifetime: timedelta
) -> tuple[str, int]:
    """Sign an access token, and return it with the seconds until it expires.

    It outlives neither its session nor a role that the user has until a certain time.
    """
    longest = min(now + max_lifetime, session.expires_at)
    lifetime = _access_token_lifetime(session, subject.roles.expire_at, now, longest)
    spec = specs.access_token(scope=subject.roles.scope, lifetime=lifetime)
    claims = _session_claims(session, subject, now)
    encoded = tokens.issue(spec, subject.profile["id"], claims)
    return encoded, int(lifetime.total_seconds())


def _access_token_lifetime(
    session: SessionState, roles_expire_at: datetime | None, now: datetime, expires_at: datetime
) -> timedelta:
    """Return whole seconds until the access token expires, at the latest at this time."""
    if session.aal2_authenticated_at:
        expires_at = min(expires_at, session.aal2_authenticated_at + assurance.AAL2_LIFETIME)
    if roles_expire_at:
        expires_at = min(expires_at, roles_expire_at - timedelta(seconds=LEEWAY))
        expires_at = max(expires_at, now + timedelta(seconds=1))
    return timedelta(seconds=_unix_time(expires_at) - _unix_time(now))


def _session_claims(session: SessionState, subject: TokenSubject, now: datetime) -> SessionClaims:
    of_hooks = token_claims.take_claims(UUID(subject.profile["id"]))
    return SessionClaims(
        sid=str(subject.session_id),
        jti=str(crypto.new_id()),
        issued_at=_unix_time(now),
        auth_time=_unix_time(session.authenticated_at),
        amr=session.amr,
        acr=session.acr,
        roles=subject.roles.names,
        versions=subject.roles.versions,
        status_index=subject.status_index,
        actor_id=str(subject.actor_id) if subject.actor_id else None,
        custom={**of_hooks, **subject.claims},
    )


def _unix_time(time: datetime) -> int:
    return int(time.timestamp())
