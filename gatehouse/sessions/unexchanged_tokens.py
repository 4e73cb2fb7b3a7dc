"""Refresh tokens that stand for their session without being exchanged, as on the pages.

They are checked as a refresh would check them, and open nothing where it would not go on. The
session is not ended: a refresh, or its user, does that.
"""

from uuid import UUID

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.risk import engine
from gatehouse.risk.engine import LastUse
from gatehouse.risk.policy import Decision
from gatehouse.sessions import refresh_tokens
from gatehouse.sessions.errors import SessionEnded
from gatehouse.tokens.service import RefreshToken
from gatehouse.web.request_context import RequestContext
from models import Session


def require_usable_token(token: RefreshToken, context: RequestContext) -> None:
    """Check a refresh token of an active session.

    Raises:
        SessionEnded: it was used before, so it may be stolen (RFC 9700 section 4.14.2), or the
            risk policy ends or downgrades a session that is used from here.
    """
    session = db.session.get_one(Session, UUID(token.sid))
    if not (_is_unused(session, UUID(token.jti)) and _is_place_allowed(session, context)):
        raise SessionEnded(session_id=session.id)


def _is_unused(session: Session, token_id: UUID) -> bool:
    is_current = token_id == session.current_token_id
    return is_current or refresh_tokens.is_reusable(session, token_id, clock.now())


def _is_place_allowed(session: Session, context: RequestContext) -> bool:
    last = LastUse(session.last_seen_at, session.ip_address, session.user_agent)
    assessment = engine.assess_session(session.user_id, last, context)
    if assessment is None:
        return True
    return not assessment.requires_second_factor and assessment.decision is not Decision.REFUSE
