"""Refresh: exchange a refresh token for a new token pair.

The common case is one conditional UPDATE: the token is the current one of an active session, whose
assurance level, IP address and user agent are unchanged. Every other case reads the session under
its lock (see `refresh_exceptions`).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, and_, bindparam, case, func, or_, select, update

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.database.session import UTCDateTime, db, write_transaction
from gatehouse.hooks import token_claims
from gatehouse.sessions import assurance, refresh_exceptions, refresh_tokens
from gatehouse.sessions.token_pair import STATE_COLUMNS, TokenPair, TokenSubject, sign_tokens
from gatehouse.tokens.service import RefreshToken
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import Session, TokenStatusEntry

_tables = Session.metadata.tables
_sessions, _users = _tables["sessions"].c, _tables["users"].c
_now, _idle_limit = (bindparam(name, type_=UTCDateTime) for name in ("now", "idle_limit"))
_is_aal1 = _sessions.aal2_authenticated_at.is_(None)
_is_still_aal2 = and_(
    _sessions.aal2_authenticated_at > bindparam("aal2_since"),
    _sessions.aal2_authenticated_at <= bindparam("aal2_until"),
    _sessions.last_seen_at > bindparam("aal2_seen_since"),
)
_uses_within_interval = case(
    (_sessions.token_issued_at > bindparam("interval_start"), _sessions.used_tokens), else_=""
)
_used_tokens = bindparam("use", type_=_sessions.used_tokens.type) + _uses_within_interval
ROTATE_CURRENT_TOKEN = (
    update(_tables["sessions"])
    .where(_sessions.id == bindparam("sid"), _sessions.user_id == bindparam("sub"))
    .where(_sessions.current_token_id == bindparam("presented"), _sessions.ended_at.is_(None))
    .where(_sessions.idle_at > _now, _sessions.expires_at > _now, or_(_is_aal1, _is_still_aal2))
    .where(_sessions.ip_address == bindparam("client_ip"))
    .where(_sessions.user_agent == bindparam("client_agent"))
    .where(_users.id == _sessions.user_id, _users.disabled_at.is_(None))
    .values(current_token_id=bindparam("successor"), token_issued_at=_now, last_seen_at=_now)
    .values(used_tokens=func.substr(_used_tokens, 1, refresh_tokens.MAX_LENGTH))
    .values(
        idle_at=case((_sessions.expires_at < _idle_limit, _sessions.expires_at), else_=_idle_limit)
    )
)
"""Rotate the token unless anything is unusual; see `refresh_tokens` for the list of used ones."""

_status_index = (
    select(TokenStatusEntry.status_index)
    .where(TokenStatusEntry.session_id == _sessions.id)
    .correlate(_tables["sessions"])
    .scalar_subquery()
    .label("status_index")
)
_state = [_sessions[name] for name in STATE_COLUMNS]
_columns = (*users.SELECT_PROFILE.selected_columns, *_state, _status_index)
ROTATE_AND_SELECT = ROTATE_CURRENT_TOKEN.returning(*_columns)
ROTATE_ONLY = ROTATE_CURRENT_TOKEN.returning(_sessions.id)
"""For SQLite, whose RETURNING has only columns of the updated table (SQLite, "RETURNING" 3.3)."""
SELECT_ROTATED = select(*_columns).where(
    _sessions.id == bindparam("sid"), _users.id == _sessions.user_id
)


def refresh(token: RefreshToken, context: RequestContext) -> TokenPair:
    """Exchange a verified refresh token for a new token pair.

    Within the reuse interval the session's current token is returned again, so that parallel tabs
    and lost responses log no user out; later reuse is treated as theft (RFC 9700 section 4.14.2).

    Raises:
        SessionEnded: the session has ended or reached a limit.
        SessionRejected: the risk policy ends the session.
        RefreshTokenReused: the token was used before; the session is ended.
        ServiceUnavailable: a hook has no claims for the access token right now.
    """
    user_id, session_id = UUID(token.sub), UUID(token.sid)
    token_claims.load_claims(user_id, context)
    now = clock.now()
    with write_transaction():
        row = _rotate_current_token(token, context, now)
        if row is None:
            return refresh_exceptions.refresh_under_lock(token, context, now)
        record(
            events.Session.REFRESHED,
            context.authenticated_as(user_id),
            user_id=user_id,
            session_id=session_id,
        )
    return sign_tokens(
        row, TokenSubject(session_id, *users.build_profile(row), row.status_index), now
    )


def _rotate_current_token(
    token: RefreshToken, context: RequestContext, now: datetime
) -> Row[object] | None:
    """Rotate the token, and return the session and user; None if the case is not the common one."""
    parameters = _rotation(token, now) | {
        "client_ip": context.ip_address,
        "client_agent": context.user_agent,
    }
    if db.engine.dialect.name == "postgresql":
        return db.session.execute(ROTATE_AND_SELECT, parameters).one_or_none()
    if db.session.execute(ROTATE_ONLY, parameters).one_or_none() is None:
        return None
    return db.session.execute(SELECT_ROTATED, {"sid": parameters["sid"]}).one()


def _rotation(token: RefreshToken, now: datetime) -> dict[str, object]:
    presented = UUID(token.jti)
    return {
        "sid": UUID(token.sid),
        "sub": UUID(token.sub),
        "presented": presented,
        "successor": crypto.new_id(),
        "now": now,
        "idle_limit": now + config.settings().session_idle_timeout,
        "aal2_since": now - assurance.AAL2_LIFETIME,
        "aal2_until": now + assurance.MAX_SKEW,
        "aal2_seen_since": now - assurance.AAL2_IDLE_TIMEOUT,
        "interval_start": refresh_tokens.reuse_interval_start(now),
        "use": refresh_tokens.format_use(presented, now),
    }
