"""Assess the risk of a session again when its network or browser changes (see `risk.engine`)."""

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.risk import engine
from gatehouse.risk.engine import LastUse, RiskAssessment
from gatehouse.risk.policy import Decision
from gatehouse.sessions import assurance, step_up
from gatehouse.sessions.errors import SessionRejected
from gatehouse.users import notifications
from gatehouse.users.service import UserWithProfile
from gatehouse.web.request_context import RequestContext
from models import Session

NOTIFIED_DECISIONS = (Decision.NOTIFY, Decision.CAPTCHA)
"""Decisions that send the user a notification; a refresh cannot ask for a CAPTCHA."""


def evaluate_risk(session: Session, person: UserWithProfile, context: RequestContext) -> None:
    """Assess a refresh and apply the decision of the policy, in the current transaction.

    `session` still has the IP address and user agent of its last use. If neither has changed,
    no statement is executed.

    Raises:
        SessionRejected: the session must end.
    """
    last = LastUse(session.last_seen_at, session.ip_address, session.user_agent)
    assessment = engine.assess_session(session.user_id, last, context)
    if assessment is None:
        return
    details = {"user_id": session.user_id, "session_id": session.id, **assessment.audit_details}
    if _must_end(assessment, session, person):
        raise SessionRejected(**details)
    event = events.Session.LOCATION_CHANGED
    if assessment.requires_second_factor:
        step_up.downgrade(session)
        event = events.Session.DOWNGRADED
    record(event, context, **details)
    if assessment.decision in NOTIFIED_DECISIONS:
        notifications.notify(person.user, "notice_session_moved", {}, context)


def _must_end(assessment: RiskAssessment, session: Session, person: UserWithProfile) -> bool:
    """Return whether the policy refuses the session, or wants a downgrade that is impossible."""
    if not assessment.requires_second_factor:
        return assessment.decision is Decision.REFUSE
    if session.aal2_authenticated_at is None:
        return True
    return assurance.is_mfa_required(person.profile["roles"])
