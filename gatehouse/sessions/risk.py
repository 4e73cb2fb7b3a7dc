"""A session that goes on from elsewhere is weighed again (see `defence.judgement`)."""

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.risk import engine
from gatehouse.risk.engine import Judgement, LastUse
from gatehouse.risk.policy import Decision
from gatehouse.sessions import assurance, step_up
from gatehouse.sessions.errors import SessionRefused
from gatehouse.users import notifications
from gatehouse.users.service import Person
from gatehouse.web.request_context import Visitor
from models import Session

TOLD = (Decision.NOTIFY, Decision.CAPTCHA)
"""What the owner hears of; a refresh is no place to solve a CAPTCHA."""


def weigh(session: Session, person: Person, visitor: Visitor) -> None:
    """Do what the policy says about where a session goes on, in the current transaction.

    The session is as it was last used. Where it stays, nothing is asked of the database.

    Raises:
        SessionRefused: it must not go on.
    """
    last = LastUse(session.last_seen_at, session.address, session.user_agent)
    judged = engine.judge_move(session.user_id, last, visitor)
    if judged is None:
        return
    about = {"user_id": session.user_id, "session_id": session.id, **judged.details}
    if _ends(judged, session, person):
        raise SessionRefused(**about)
    if judged.asks_second_factor:
        step_up.lower(session)
    event = events.Session.LOWERED if judged.asks_second_factor else events.Session.MOVED
    record(event, visitor, **about)
    if judged.decision in TOLD:
        notifications.tell(person.user, "notice_session_moved", {}, visitor)


def _ends(judged: Judgement, session: Session, person: Person) -> bool:
    """Tell whether a session is refused, or should fall back and cannot: then a login asks."""
    if not judged.asks_second_factor:
        return judged.decision is Decision.REFUSE
    if session.raised_at is None:
        return True
    return assurance.is_mfa_required(person.profile["roles"])
