"""Impersonation: an administrator acts as a user for 15 minutes, visible to the user.

The session is one of the user's: it is in their list, and ends with their others. It also ends with
the administrator's session, and when the administrator may not act on the user any more. It has no
refresh token and no authentication of its own, so it fulfils no demand for a recent one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from gatehouse.audit.administration_events import Impersonation as Events
from gatehouse.audit.service import record
from gatehouse.authorization import delegation
from gatehouse.authorization.permissions import USERS_IMPERSONATE
from gatehouse.core import clock, crypto
from gatehouse.core.events import AuthorizationChanged
from gatehouse.database.session import db
from gatehouse.hooks import token_claims
from gatehouse.messaging.links import page_url
from gatehouse.sessions import assurance
from gatehouse.sessions import service as sessions
from gatehouse.sessions.errors import OwnAccount, SessionEnded, UserNotActive
from gatehouse.sessions.token_pair import TokenSubject, sign_access_token
from gatehouse.tokens.service import AccessToken
from gatehouse.users import administration, notifications
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
from gatehouse.web.request_context import BACKGROUND, USER, Actor, without_client
from models import Session

LIFETIME = timedelta(minutes=15)
REPLACED, NOT_ALLOWED = "impersonation_replaced", "impersonation_not_allowed"
"""Why such a session ended."""


@dataclass(frozen=True)
class Impersonation:
    """The access token of a user, for an administrator."""

    session_id: UUID
    access_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the token type, RFC 6750 section 6.1.1


def impersonate(change: UserChange, caller: AccessToken) -> Impersonation:
    """Open a session of a user for the caller, who is an administrator; notify the user.

    Raises:
        NotFound, TargetHasMorePermissions, PreconditionFailed, UserDeleted: see `changing_user`.
        OwnAccount: the user is the caller.
        UserNotActive: the user is disabled or unverified.
    """
    if change.user_id == UUID(caller.sub):
        raise OwnAccount(user_id=change.user_id)
    token_claims.load_claims(change.user_id, change.context)
    with administration.changing_user(change) as user:
        if user.disabled_at or user.email_verified_at is None:
            raise UserNotActive
        _end_previous(change, UUID(caller.sub))
        now = clock.now()
        session = _open_session(change, caller, now)
        ids = {"user_id": user.id, "session_id": session.id}
        record(Events.STARTED, change.context, **ids, reason=change.reason)
        variables = {"link": page_url("forgot-password")}
        quiet = without_client(change.context)
        notifications.notify(user, "notice_impersonation", variables, quiet)
        return _sign_token(session, now)


def end_unauthorized(_event: AuthorizationChanged) -> None:
    """End the impersonations that are not allowed any more, after a change of roles."""
    active = select(Session).where(
        Session.actor_session_id.is_not(None),
        Session.ended_at.is_(None),
        Session.expires_at > clock.now(),
    )
    for session in db.session.scalars(active.order_by(Session.id)).all():
        if not _may_continue(session):
            sessions.end_session(session.id, NOT_ALLOWED, BACKGROUND)


def _may_continue(session: Session) -> bool:
    """Return whether an impersonation is allowed now, and until its access token expires."""
    actor = Actor(USER, session.actor_id)
    if USERS_IMPERSONATE not in delegation.list_own_permissions(actor):
        return False
    roles_expire_at = delegation.get_roles_expiry(actor)
    is_in_time = roles_expire_at is None or roles_expire_at >= session.expires_at
    return is_in_time and delegation.may_act_on(actor, session.user_id)


def _end_previous(change: UserChange, actor_id: UUID) -> None:
    """End what the administrator has open as this user, so that there is one at most."""
    for session in sessions.active_sessions(change.user_id):
        if session.actor_id == actor_id:
            sessions.end_session(session.id, REPLACED, change.context)


def _open_session(change: UserChange, caller: AccessToken, now: datetime) -> Session:
    session = Session(id=crypto.new_id(), user_id=change.user_id)
    session.actor_id, session.actor_session_id = UUID(caller.sub), UUID(caller.sid)
    session.created_at = session.last_seen_at = now
    session.authenticated_at = clock.UNIX_EPOCH  # the user has not authenticated
    session.amr, session.acr = [], assurance.AAL1
    session.idle_at = session.expires_at = _latest_end(change.context.actor, caller, now)
    session.ip_address = change.context.ip_address
    session.user_agent = change.context.user_agent
    db.session.add(session)
    db.session.flush()
    return session


def _latest_end(actor: Actor, caller: AccessToken, now: datetime) -> datetime:
    """Return when the session ends: not later than the administrator's session and roles."""
    own_session = db.session.get(Session, UUID(caller.sid))
    if own_session is None:
        raise SessionEnded
    limits = (now + LIFETIME, own_session.expires_at, delegation.get_roles_expiry(actor))
    return min(limit for limit in limits if limit)


def _sign_token(session: Session, now: datetime) -> Impersonation:
    row = db.session.execute(users.SELECT_PROFILE, {"user_id": session.user_id}).one()
    status_index = sessions.assign_status_index(session.id)
    subject = TokenSubject(session.id, *users.build_profile(row), status_index, session.actor_id)
    token, expires_in = sign_access_token(session, subject, now, LIFETIME)
    return Impersonation(session.id, token, expires_in)
