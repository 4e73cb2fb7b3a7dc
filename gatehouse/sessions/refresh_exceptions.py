"""Refreshes that are not the common case: replayed or stolen tokens, moved or stale sessions.

Everything here reads and changes the session under its lock.
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import config
from gatehouse.audit import events
from gatehouse.audit.event import Event
from gatehouse.audit.service import record
from gatehouse.database.session import write_transaction
from gatehouse.devices import service as devices
from gatehouse.sessions import refresh_tokens, risk, step_up
from gatehouse.sessions import service as sessions
from gatehouse.sessions.errors import RefreshTokenReused, SessionRejected
from gatehouse.sessions.token_pair import TokenPair, TokenSubject, sign_tokens
from gatehouse.tokens.service import RefreshToken
from gatehouse.users.service import UserWithProfile
from gatehouse.web.request_context import RequestContext
from models import Session

MAX_REPLACEMENTS = 2
"""Unused tokens of a session that may be replaced in one `REPLACEMENT_PERIOD`."""
REPLACEMENT_PERIOD = timedelta(hours=24)


def refresh_under_lock(token: RefreshToken, context: RequestContext, now: datetime) -> TokenPair:
    """Refresh in the current transaction, whatever the case is.

    Raises:
        SessionEnded, SessionRejected, RefreshTokenReused: see `refresh.refresh`.
    """
    session, person, status_index = sessions.lock_active_session(token, now)
    _downgrade_if_stale(session, person, now, context)
    event = _exchange_token(session, UUID(token.jti), now, context)
    record(
        event,
        context.authenticated_as(session.user_id),
        user_id=session.user_id,
        session_id=session.id,
    )
    _evaluate_risk(session, person, context)
    session.last_seen_at, session.ip_address = now, context.ip_address
    session.user_agent = context.user_agent
    return sign_tokens(session, TokenSubject(session.id, *person.token_content, status_index), now)


def _exchange_token(
    session: Session, presented: UUID, now: datetime, context: RequestContext
) -> Event:
    """Leave the session with the token that the client gets; return what happened.

    Raises:
        RefreshTokenReused: the token was used before; the session is ended.
    """
    if presented == session.current_token_id:
        refresh_tokens.rotate_token(session, now)
        return events.Session.REFRESHED
    if refresh_tokens.is_reusable(session, presented, now):
        return events.Session.REFRESH_REPLAYED
    if _is_answer_lost(session, presented, context):
        if refresh_tokens.is_issued_recently(session, now):  # other tabs of the device ask, too
            return events.Session.REFRESH_REPLAYED
        if len(_replacements(session, now)) < MAX_REPLACEMENTS:
            _replace_current_token(session, now)
            return events.Session.REFRESH_REPLACED
    end_reused = partial(_end_reused, session.id, context)
    raise RefreshTokenReused(session.user_id, session.id, end_reused)


def _is_answer_lost(session: Session, presented: UUID, context: RequestContext) -> bool:
    """Return whether the client may lack the unused successor of the token that it presented.

    Only the device that logged in may get a replacement.
    """
    if not config.settings().refresh_reuse_interval or session.device_digest is None:
        return False
    is_own_device = devices.matches_digest(context.device_token, session.device_digest)
    if not is_own_device or devices.find_device(session.user_id, context) is None:
        return False  # another device, or one that was forgotten
    return refresh_tokens.is_predecessor(session, presented)


def _replace_current_token(session: Session, now: datetime) -> None:
    """Replace the unused current token, which counts as stolen from now on."""
    session.replacements = [*_replacements(session, now), int(now.timestamp())]
    refresh_tokens.issue_token(session, now)


def _replacements(session: Session, now: datetime) -> list[int]:
    since = (now - REPLACEMENT_PERIOD).timestamp()
    return [replaced_at for replaced_at in session.replacements if replaced_at > since]


def _end_reused(session_id: UUID, context: RequestContext) -> None:
    with write_transaction():
        sessions.end_session(session_id, "refresh_token_reused", context)


def _downgrade_if_stale(
    session: Session, person: UserWithProfile, now: datetime, context: RequestContext
) -> None:
    """Downgrade a session whose AAL2 limits have passed.

    Raises:
        SessionEnded: the policy requires a second factor, so the session ends instead.
    """
    if not step_up.has_lapsed(session, now):
        return
    sessions.require_downgrade_allowed(session, person, context)
    step_up.downgrade(session)


def _evaluate_risk(session: Session, person: UserWithProfile, context: RequestContext) -> None:
    try:
        risk.evaluate_risk(session, person, context)
    except SessionRejected as error:
        error.on_rollback = partial(sessions.end_session, session.id, "risk", context)
        raise
