"""Raising a session to AAL2, and taking it back to AAL1; the policy of both is in `levels`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.sessions import assurance
from models import Session


def prove(session: Session, amr: list[str], now: datetime, by: Sequence[str] = ()) -> None:
    """Write down what a session knows of its person; `by` is what was proved just now."""
    session.amr, session.acr, session.authenticated_at = amr, assurance.acr(amr), now
    if session.acr == assurance.AAL2 and assurance.raises(by or amr):
        session.raised_at = now


def prove_too(session: Session, amr: Sequence[str], now: datetime) -> None:
    """Write down that something more was proved in a session just now."""
    before = session.amr if is_raised(session, now) else assurance.lowered(session.amr)
    prove(session, assurance.combine(before, amr), now, by=amr)


def is_raised(session: Session, now: datetime) -> bool:
    """Tell whether a session is at AAL2, and neither too old for that nor too long alone."""
    raised = session.raised_at
    return raised is not None and now < assurance.ends(raised, session.last_seen_at)


def lower(session: Session) -> None:
    """Take a session back to what it is without its second factor; it goes on."""
    session.amr = assurance.lowered(session.amr)
    session.acr, session.raised_at = assurance.acr(session.amr), None


def locked(session_id: UUID) -> Session | None:
    """Lock a session until the transaction ends, and return it as it is, not as it was read."""
    return db.session.get(Session, session_id, with_for_update=True, populate_existing=True)


def raised_since(session_id: UUID) -> datetime | None:
    """Return when a second factor was last proved in a session that still is at AAL2."""
    session = db.session.get(Session, session_id)
    if session is None or not is_raised(session, clock.now()):
        return None
    return session.raised_at
