"""Sessions: open, refresh, detect reuse, list, end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization import permissions, roles
from gatehouse.core import clock, crypto
from gatehouse.core import events as domain_events
from gatehouse.core.errors import NotFound
from gatehouse.core.events import CredentialChanged, publish
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.database.statements import execute_in_session, insert_rows
from gatehouse.sessions import assurance, refresh_tokens, risk, step_up
from gatehouse.sessions.errors import RefreshTokenReused, SessionEnded, SessionRejected
from gatehouse.tokens import service as tokens
from gatehouse.tokens import status_list as status_lists
from gatehouse.users import service as users
from gatehouse.users.service import UserWithProfile
from gatehouse.web.request_context import RequestContext
from models import RefreshToken, Session, TokenStatusEntry, User

USED_TOKEN_RETENTION = timedelta(minutes=5)
"""Longer than any reuse interval; a token without a row counts as used, too."""
MAX_SESSIONS = 50
"""Active sessions per user; a new one ends the oldest."""
EXCESS_SESSIONS = (
    select(Session.id)
    .where(Session.user_id == bindparam("user_id"), Session.ended_at.is_(None))
    .where(Session.expires_at > bindparam("now"), Session.idle_at > bindparam("now"))
    .order_by(Session.id.desc())
    .offset(bindparam("kept"))
)


@dataclass(frozen=True)
class TokenPair:
    """The result of a login or refresh: access token, refresh token and the user's profile."""

    session_id: UUID
    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int
    user: dict[str, Any]
    device_token: str | None = None
    """Only after a login; a refresh returns none."""
    token_type: str = "Bearer"  # noqa: S105 - the token type, RFC 6750 section 6.1.1


def open_session(person: UserWithProfile, amr: Sequence[str], context: RequestContext) -> TokenPair:
    """Open a session in the current transaction. Only `login.service`, after its checks, may."""
    user_id = person.user.id
    advisory_lock(f"sessions:{user_id}")
    _evict_oldest(user_id, context)
    now, settings = clock.now(), config.settings()
    session = Session(id=crypto.new_id(), user_id=user_id)
    session.created_at = session.last_seen_at = now
    step_up.record_authentication(session, assurance.merge_amr(amr), now)
    session.expires_at = now + settings.session_lifetime
    session.ip_address, session.user_agent = context.ip_address, context.user_agent
    current = refresh_tokens.new_token(session, now)
    status_index = insert_rows(session, current, TokenStatusEntry(session_id=session.id))
    return _sign_tokens(session, current, person, status_index)


def refresh(encoded: str, context: RequestContext) -> TokenPair:
    """Exchange a refresh token for a new token pair.

    Within the reuse interval the session's current token is returned again, so that parallel tabs
    and lost responses log no user out; later reuse is treated as theft (RFC 9700 section 4.14.2).

    Raises:
        SessionEnded: the session has ended or reached a limit.
        SessionRejected: the risk policy ends the session.
        RefreshTokenReused: the token was used before; the session is ended.
    """
    token = tokens.verify_refresh(encoded)
    now = clock.now()
    with write_transaction():
        session, person, status_index = _lock_session(token)
        if person.user.disabled_at or not _is_active(session, now):
            raise SessionEnded(session_id=session.id)
        _downgrade_if_stale(session, person, now, context)
        current = _rotate(session, UUID(token.jti), now, context)
        _evaluate_risk(session, person, context)
        session.last_seen_at, session.ip_address = now, context.ip_address
        session.user_agent = context.user_agent
    return _sign_tokens(session, current, person, status_index)


def reauthenticate(
    caller: tokens.AccessToken, amr: Sequence[str], context: RequestContext
) -> TokenPair:
    """Add a new authentication to a session, in the current transaction.

    The session keeps its id; its refresh token is replaced as by a refresh (ASVS V7.2.4).

    Raises:
        SessionEnded: the session has ended or reached a limit.
    """
    session, person, status_index = _lock_session(caller)
    now = clock.now()
    if person.user.disabled_at or not _is_active(session, now):
        raise SessionEnded(session_id=session.id)
    step_up.add_authentication(session, amr, now)
    session.last_seen_at = now
    refresh_tokens.current_token(session).used_at = now
    return _sign_tokens(session, refresh_tokens.issue_token(session, now), person, status_index)


def require_active_session(session_id: UUID) -> None:
    """Check that a session is active.

    Raises:
        SessionEnded: it is not.
    """
    session = db.session.get(Session, session_id)
    if session is None or not _is_active(session, clock.now()):
        raise SessionEnded(session_id=session_id)


def active_sessions(user_id: UUID) -> list[Session]:
    """Return the active sessions of a user, newest first."""
    rows = select(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    now = clock.now()
    rows = rows.where(Session.expires_at > now, Session.idle_at > now)
    return list(db.session.scalars(rows.order_by(Session.id.desc())))


def end_session(session_id: UUID, reason: str, context: RequestContext) -> None:
    """End a session and revoke all its tokens, in the current transaction."""
    session = step_up.lock_session(session_id)
    if session is None or session.ended_at:
        return
    session.ended_at, session.end_reason = clock.now(), reason
    db.session.execute(delete(RefreshToken).where(RefreshToken.session_id == session_id))
    publish(domain_events.SessionEnded(session_id, session.user_id, reason))
    ids = {"user_id": session.user_id, "session_id": session_id}
    record(events.Session.ENDED, context, **ids, reason=reason)


def end_own_session(user_id: UUID, session_id: UUID, context: RequestContext) -> None:
    """End one of the user's own sessions.

    Raises:
        NotFound: the user has no active session of this id.
    """
    with write_transaction():
        if session_id not in [session.id for session in active_sessions(user_id)]:
            raise NotFound
        end_session(session_id, "ended_by_user", context)


def end_all_sessions(
    user_id: UUID, reason: str, context: RequestContext, keep: UUID | None = None
) -> None:
    """End the sessions of a user, except the one to keep, in the current transaction."""
    for session in active_sessions(user_id):
        if session.id != keep:
            end_session(session.id, reason, context)


def end_other_sessions(event: CredentialChanged[RequestContext]) -> None:
    """End the sessions that were opened with a credential from before its change."""
    end_all_sessions(event.user_id, event.reason, event.context, keep=event.kept_session)


def purge_expired_sessions(before: datetime) -> None:
    """Delete the sessions that ended or expired before a time, and old used refresh tokens."""
    ended = (Session.expires_at < before) | (Session.ended_at < before)
    db.session.execute(delete(Session).where(ended))
    db.session.execute(
        delete(RefreshToken).where(RefreshToken.used_at < clock.now() - USED_TOKEN_RETENTION)
    )


def _evict_oldest(user_id: UUID, context: RequestContext) -> None:
    for session in execute_in_session(
        EXCESS_SESSIONS, user_id=user_id, now=clock.now(), kept=MAX_SESSIONS - 1
    ):
        end_session(session.id, "too_many_sessions", context)


def _downgrade_if_stale(
    session: Session, person: UserWithProfile, now: datetime, context: RequestContext
) -> None:
    """Downgrade a session whose AAL2 limits have passed.

    Raises:
        SessionEnded: the policy requires a second factor, so the session ends instead.
    """
    if session.aal2_authenticated_at is None or step_up.is_aal2(session, now):
        return
    if assurance.is_mfa_required(person.profile["roles"]):
        error = SessionEnded(session_id=session.id)
        error.on_rollback = partial(end_session, session.id, "second_factor_too_old", context)
        raise error
    step_up.downgrade(session)


def _evaluate_risk(session: Session, person: UserWithProfile, context: RequestContext) -> None:
    try:
        risk.evaluate_risk(session, person, context)
    except SessionRejected as error:
        error.on_rollback = partial(end_session, session.id, "risk", context)
        raise


def _is_active(session: Session, now: datetime) -> bool:
    return session.ended_at is None and now < session.idle_at and now < session.expires_at


def _lock_session(
    token: tokens.RefreshToken | tokens.AccessToken,
) -> tuple[Session, UserWithProfile, int | None]:
    """Lock a session and return it with its user and its status list index.

    Raises:
        SessionEnded: the session or the account no longer exists.
    """
    rows = select(Session, TokenStatusEntry.status_index, User, roles.assigned_roles(User.id)).join(
        User
    )
    rows = rows.outerjoin(TokenStatusEntry, TokenStatusEntry.session_id == Session.id)
    matching = rows.where(Session.id == UUID(token.sid), Session.user_id == UUID(token.sub))
    found = db.session.execute(matching.with_for_update(of=Session)).one_or_none()
    if found is None:
        raise SessionEnded
    return found[0], users.build_user_with_profile(found[2], found[3]), found[1]


def _rotate(session: Session, jti: UUID, now: datetime, context: RequestContext) -> RefreshToken:
    """Use a refresh token and return the session's current one; the session must be locked.

    The presented token is read after the lock is taken: a join would return its old row.
    """
    ids = {"user_id": session.user_id, "session_id": session.id}
    rows = select(RefreshToken).where(RefreshToken.id == jti)
    presented = db.session.scalar(rows.where(RefreshToken.session_id == session.id))
    if presented is None or refresh_tokens.is_reused(presented, now):
        end_session_for_reuse = partial(_end_reused, session.id, context)
        raise RefreshTokenReused(session.user_id, session.id, end_session_for_reuse)
    if presented.used_at:
        record(events.Session.REFRESH_REPLAYED, context.authenticated_as(session.user_id), **ids)
        return refresh_tokens.current_token(session)
    presented.used_at = now
    record(events.Session.REFRESHED, context.authenticated_as(session.user_id), **ids)
    return refresh_tokens.issue_token(session, now)


def _end_reused(session_id: UUID, context: RequestContext) -> None:
    with write_transaction():
        end_session(session_id, "refresh_token_reused", context)


def _sign_tokens(
    session: Session, current: RefreshToken, person: UserWithProfile, status_index: int | None
) -> TokenPair:
    """Sign a token pair; the access token expires no later than its session."""
    profile, now = person.profile, clock.now()
    expires_at = min(now + config.settings().access_token_lifetime, session.expires_at)
    if session.aal2_authenticated_at:
        expires_at = min(expires_at, session.aal2_authenticated_at + assurance.AAL2_LIFETIME)
    claims = {
        "sid": str(session.id),
        "jti": str(crypto.new_id()),
        "auth_time": int(session.authenticated_at.timestamp()),
        "amr": session.amr,
        "acr": session.acr,
        "roles": profile["roles"],
        "scope": permissions.scope_of(profile["roles"]),
        **status_lists.build_claim(status_index),
    }
    refresh_token = tokens.RefreshToken(profile["id"], claims["sid"], str(current.id))
    return TokenPair(
        session_id=session.id,
        access_token=tokens.sign_access(profile["id"], claims, expires_at),
        refresh_token=tokens.sign_refresh(refresh_token, current.issued_at, current.expires_at),
        expires_in=int((expires_at - now).total_seconds()),
        refresh_expires_in=int((current.expires_at - now).total_seconds()),
        user=profile,
    )
