"""Step-up and downgrade of a session's assurance level (AAL); the rules are in `assurance`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.sessions import assurance
from models import Session


def record_authentication(
    session: Session, amr: list[str], now: datetime, new_amr: Sequence[str] = ()
) -> None:
    """Set the `amr` of a session; `new_amr` is what was authenticated just now, by default all."""
    session.amr, session.acr, session.authenticated_at = amr, assurance.acr(amr), now
    if session.acr == assurance.AAL2 and assurance.keeps_aal2(new_amr or amr):
        session.aal2_authenticated_at = now


def add_authentication(session: Session, amr: Sequence[str], now: datetime) -> None:
    """Add methods that were authenticated just now to a session."""
    before = session.amr if is_aal2(session, now) else assurance.without_second_factor(session.amr)
    record_authentication(session, assurance.merge_amr(before, amr), now, new_amr=amr)


def is_aal2(session: Session, now: datetime) -> bool:
    """Return whether a session is at AAL2, within its absolute and idle limits."""
    since = session.aal2_authenticated_at
    return since is not None and now < assurance.aal2_expires_at(since, session.last_seen_at)


def downgrade(session: Session) -> None:
    """Downgrade a session to AAL1; it stays active."""
    session.amr = assurance.without_second_factor(session.amr)
    session.acr, session.aal2_authenticated_at = assurance.acr(session.amr), None


def lock_session(session_id: UUID) -> Session | None:
    """Lock a session until the transaction ends, and return its current row."""
    return db.session.get(Session, session_id, with_for_update=True, populate_existing=True)


def get_aal2_authenticated_at(session_id: UUID) -> datetime | None:
    """Return when a session that is still at AAL2 last authenticated a second factor."""
    session = db.session.get(Session, session_id)
    if session is None or not is_aal2(session, clock.now()):
        return None
    return session.aal2_authenticated_at
