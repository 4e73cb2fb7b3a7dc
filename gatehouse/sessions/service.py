"""Sessions: open, re-authenticate, list, end; `refresh` exchanges their refresh tokens."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select

import config
from gatehouse.audit import events
from gatehouse.audit.administration_events import Administration
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.core import events as domain_events
from gatehouse.core.errors import NotFound
from gatehouse.core.events import CredentialChanged, UserDisabled, publish
from gatehouse.database.session import db, write_transaction
from gatehouse.devices import service as devices
from gatehouse.sessions import assurance, refresh_tokens, step_up
from gatehouse.sessions.errors import SessionEnded
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.sessions.token_pair import TokenPair, TokenSubject, sign_tokens
from gatehouse.users import administration
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
from gatehouse.users.service import UserWithProfile
from gatehouse.web.request_context import RequestContext, without_client
from gatehouse.web.user_agent import device_name
from models import Session, TokenStatusEntry, User

MAX_SESSIONS = 50
"""Active sessions per user; a new one ends the oldest."""
EXCESS_SESSIONS = (
    select(Session.id)
    .where(Session.user_id == bindparam("user_id"), Session.ended_at.is_(None))
    .where(Session.expires_at > bindparam("now"), Session.idle_at > bindparam("now"))
    .where(Session.actor_id.is_(None))
    .order_by(Session.id.desc())
    .offset(bindparam("kept"))
)
ASSIGN_STATUS_INDEX = (
    insert(TokenStatusEntry)
    .values(session_id=bindparam("opened_session"))
    .returning(TokenStatusEntry.status_index)
)


def open_session(
    person: UserWithProfile, amr: Sequence[str], context: RequestContext, device_token: str = ""
) -> TokenPair:
    """Open a session in the current transaction, which has locked the user.

    Only `login.service` may, after its checks; `amr` is that of `step_up.combine_methods`.
    """
    user_id = person.user.id
    _evict_oldest(user_id, context)
    now = clock.now()
    session = Session(id=crypto.new_id(), user_id=user_id)
    session.created_at = session.last_seen_at = now
    step_up.record_authentication(session, amr, now)
    session.expires_at = now + config.settings().session_lifetime
    session.ip_address, session.user_agent = context.ip_address, context.user_agent
    session.device_digest = devices.digest_token(device_token) if device_token else None
    refresh_tokens.issue_token(session, now)
    db.session.add(session)
    db.session.flush()
    status_index = assign_status_index(session.id)
    return sign_tokens(session, TokenSubject(session.id, *person.token_content, status_index), now)


def assign_status_index(session_id: UUID) -> int | None:
    """Give a new session its index in the status lists."""
    return db.session.scalar(ASSIGN_STATUS_INDEX, {"opened_session": session_id})


def reauthenticate(caller: SessionRef, amr: Sequence[str], context: RequestContext) -> TokenPair:
    """Add a new authentication to a session, in the current transaction.

    The session keeps its id; its refresh token is replaced as by a refresh (ASVS V7.2.4).

    Raises:
        SessionEnded: the session has ended or reached a limit; or its second factor is too old,
            these methods are none, and the policy requires one.
    """
    now = clock.now()
    session, person, status_index = lock_active_session(caller, now)
    was_aal2 = session.aal2_authenticated_at is not None
    step_up.add_verified_methods(session, amr, now)
    if was_aal2 and session.aal2_authenticated_at is None:
        require_downgrade_allowed(session, person, context)
    session.last_seen_at = now
    refresh_tokens.rotate_token(session, now)
    return sign_tokens(session, TokenSubject(session.id, *person.token_content, status_index), now)


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
    now = clock.now()
    return [session for session in _sessions_not_ended(user_id) if _is_active(session, now)]


def list_managed_sessions(user_id: UUID) -> list[dict[str, object]]:
    """Return the active sessions of a user as administrators see them, the newest first."""
    return [_describe_managed(session) for session in active_sessions(user_id)]


def _describe_managed(row: Session) -> dict[str, object]:
    """Return a session as administrators see it (the schema `ManagedSession`)."""
    return {
        "id": row.id,
        "created_at": row.created_at,
        "last_seen_at": row.last_seen_at,
        "expires_at": row.expires_at,
        "ip_address": row.ip_address,
        "device": device_name(row.user_agent),
        "amr": row.amr,
        "acr": row.acr,
        "impersonated_by": row.actor_id,
    }


def end_session(session_id: UUID, reason: str, context: RequestContext) -> None:
    """End a session and revoke all its tokens, in the current transaction.

    What an administrator has opened with it as another user ends, too; that user's history has no
    client, because it is the administrator's.
    """
    session = step_up.lock_session(session_id)
    if session is None or session.ended_at:
        return
    session.ended_at, session.end_reason = clock.now(), reason
    publish(domain_events.SessionEnded(session_id, session.user_id, reason, context))
    ids = {"user_id": session.user_id, "session_id": session_id}
    record(events.Session.ENDED, context, **ids, reason=reason)
    impersonations = select(Session.id).where(
        Session.actor_session_id == session_id, Session.ended_at.is_(None)
    )
    for opened_id in db.session.scalars(impersonations).all():
        end_session(opened_id, "administrator_session_ended", without_client(context))


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
    """End the sessions of a user, except the one to keep, in the current transaction.

    Expired ones, too: they would be active again if the clock was wrong and is set back.
    """
    for session in _sessions_not_ended(user_id):
        if session.id != keep:
            end_session(session.id, reason, context)


def end_other_sessions(event: CredentialChanged[RequestContext]) -> None:
    """End the sessions that were opened with a credential from before its change."""
    end_all_sessions(event.user_id, event.reason, event.context, keep=event.kept_session)


def end_sessions_by_administrator(change: UserChange, session_id: UUID | None = None) -> None:
    """End one session of a user, or all of them.

    Raises:
        NotFound: the user has no active session of this id.
    """
    with administration.changing_user(change):
        reason, context = "ended_by_administrator", change.context
        if session_id is None:
            end_all_sessions(change.user_id, reason, context)
        elif session_id in {session.id for session in active_sessions(change.user_id)}:
            end_session(session_id, reason, context)
        else:
            raise NotFound
        administration.record_change(Administration.SESSIONS_ENDED, change)


def end_sessions_of_disabled_user(event: UserDisabled[RequestContext]) -> None:
    """End all sessions of a user who was disabled or deleted."""
    end_all_sessions(event.user_id, event.reason, event.context)


def purge_expired_sessions(before: datetime) -> None:
    """Delete the sessions that ended or expired before a time."""
    ended = (Session.expires_at < before) | (Session.ended_at < before)
    db.session.execute(delete(Session).where(ended))


def lock_active_session(
    token: SessionRef, now: datetime
) -> tuple[Session, UserWithProfile, int | None]:
    """Lock the session of a token; return it with its user and its index in the status lists.

    Raises:
        SessionEnded: the session has ended or reached a limit, or its user is disabled or deleted.
    """
    given = users.profile_columns()
    rows = select(Session, User, TokenStatusEntry.status_index, *given)
    rows = rows.join(User).outerjoin(TokenStatusEntry, TokenStatusEntry.session_id == Session.id)
    matching = rows.where(Session.id == UUID(token.sid), Session.user_id == UUID(token.sub))
    found = db.session.execute(matching.with_for_update(of=Session)).one_or_none()
    if found is None:
        raise SessionEnded
    session, user = found.Session, found.User
    if user.disabled_at or not _is_active(session, now):
        raise SessionEnded(session_id=session.id)
    return session, users.build_user_with_profile(user, found), found.status_index


def require_downgrade_allowed(
    session: Session, person: UserWithProfile, context: RequestContext
) -> None:
    """Check that a session may be downgraded because its second factor is too old.

    Raises:
        SessionEnded: the policy requires a second factor, so the session ends instead.
    """
    if assurance.is_mfa_required(person.profile["roles"]):
        error = SessionEnded(session_id=session.id)
        error.on_rollback = partial(end_session, session.id, "second_factor_too_old", context)
        raise error


def _evict_oldest(user_id: UUID, context: RequestContext) -> None:
    values = {"user_id": user_id, "now": clock.now(), "kept": MAX_SESSIONS - 1}
    for session_id in db.session.scalars(EXCESS_SESSIONS, values).all():
        end_session(session_id, "too_many_sessions", context)


def _sessions_not_ended(user_id: UUID) -> list[Session]:
    rows = select(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    return list(db.session.scalars(rows.order_by(Session.id.desc())))


def _is_active(session: Session, now: datetime) -> bool:
    return session.ended_at is None and now < session.idle_at and now < session.expires_at
