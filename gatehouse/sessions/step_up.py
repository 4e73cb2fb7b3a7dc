"""Step-up and downgrade of a session's assurance level (AAL); the rules are in `assurance`."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.passwords import service as passwords
from gatehouse.sessions import assurance
from models import Session


def combine_methods(user_id: UUID, *methods: Sequence[str]) -> list[str]:
    """Return the `amr` of methods that a user authenticated with, in the current transaction."""
    return assurance.merge_amr(*methods, password_channel=_confirm_password(user_id, *methods))


def record_authentication(session: Session, amr: Sequence[str], now: datetime) -> None:
    """Set what a new session was authenticated with (see `combine_methods`), all of it just now."""
    session.authenticated_at = now
    _set_methods(session, amr, now if assurance.acr(amr) == assurance.AAL2 else None)


def add_verified_methods(session: Session, amr: Sequence[str], now: datetime) -> None:
    """Add methods to a locked session, in the current transaction (see `add_authentication`)."""
    channel = _confirm_password(session.user_id, session.amr, amr)
    add_authentication(session, amr, now, channel)


def add_authentication(
    session: Session, amr: Sequence[str], now: datetime, password_channel: str | None = None
) -> None:
    """Add methods that were authenticated just now to a session.

    Only a possession factor renews or reaches AAL2: that of an earlier login may be days old, so a
    password beside it starts again at AAL1. `password_channel` is as with `assurance.merge_amr`.
    """
    session.authenticated_at = now
    merge_amr = partial(assurance.merge_amr, password_channel=password_channel)
    if is_aal2(session, now):
        since = now if assurance.keeps_aal2(amr) else session.aal2_authenticated_at
        _set_methods(session, merge_amr(session.amr, amr), since)
    elif assurance.keeps_aal2(amr):
        merged = merge_amr(assurance.without_second_factor(session.amr), amr)
        _set_methods(session, merged, now if assurance.acr(merged) == assurance.AAL2 else None)
    else:
        known = assurance.without_possession(session.amr)
        _set_methods(session, merge_amr(known, amr), None)


def is_aal2(session: Session, now: datetime) -> bool:
    """Return whether a session is at AAL2, within its absolute and idle limits."""
    since = session.aal2_authenticated_at
    return since is not None and assurance.is_recent_enough(since, session.last_seen_at, now)


def has_lapsed(session: Session, now: datetime) -> bool:
    """Return whether a session was at AAL2 until its second factor became too old."""
    return session.aal2_authenticated_at is not None and not is_aal2(session, now)


def downgrade(session: Session) -> None:
    """Downgrade a session to AAL1; it stays active."""
    _set_methods(session, assurance.without_second_factor(session.amr), None)


def lock_session(session_id: UUID) -> Session | None:
    """Lock a session until the transaction ends, and return its current row."""
    return db.session.get(Session, session_id, with_for_update=True, populate_existing=True)


def get_aal2_authenticated_at(session_id: UUID) -> datetime | None:
    """Return when a session that is still at AAL2 last authenticated a second factor."""
    session = db.session.get(Session, session_id)
    if session is None or not is_aal2(session, clock.now()):
        return None
    return session.aal2_authenticated_at


def _set_methods(
    session: Session, amr: Sequence[str], aal2_authenticated_at: datetime | None
) -> None:
    """Set the methods and the level that follows: AAL2 always has the time of its second factor."""
    session.amr, session.aal2_authenticated_at = list(amr), aal2_authenticated_at
    session.acr = assurance.AAL2 if aal2_authenticated_at else assurance.AAL1


def _confirm_password(user_id: UUID, *methods: Sequence[str]) -> str | None:
    """Confirm a password that was set with a message, if a factor was verified besides it.

    Until a possession factor of another channel does, that password and a code of its channel are
    one factor: a stolen SIM gives both.

    Returns:
        The channel of a password that is still unconfirmed.
    """
    words = {word for words in methods for word in words}
    factors = assurance.POSSESSION_FACTORS & words
    if not factors or assurance.PASSWORD not in words:
        return None
    return passwords.confirm_with_factors(user_id, factors)
