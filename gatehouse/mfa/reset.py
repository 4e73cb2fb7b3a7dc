"""An operator takes all second factors of somebody who lost them: announced, and later.

Whoever talks the operator into it may be a thief. So the owner hears of it at every address, and
has a day to stop it (NIST SP 800-63B-4 section 4.6).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, select

import config
from gatehouse.accounts import notices
from gatehouse.accounts import service as accounts
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.defence import devices
from gatehouse.delivery import links
from gatehouse.foundation import clock
from gatehouse.foundation.database import db, take_turns, writing
from gatehouse.foundation.visitor import NOBODY, Visitor
from gatehouse.mfa import credentials, pending
from gatehouse.mfa.errors import ResetNotWaiting
from gatehouse.sessions import service as sessions
from gatehouse.tokens import challenges
from models import Challenge, Credential

PURPOSE = notices.MFA_RESET
OVERDUE = timedelta(days=7)
"""How long after its moment a reset is still done, where the service did not run."""


@dataclass(frozen=True)
class WaitingReset:
    """What the page of the link tells about a reset."""

    site: str
    due_at: datetime


def ask(address: str, visitor: Visitor) -> datetime:
    """Announce that an account loses its second factors, and return when it does.

    Raises:
        LookupError: with a sentence; nobody has the address, or a factor, or it is announced.
    """
    with writing():
        user = accounts.find(address)
        if user is None:
            raise LookupError(f"{address} has no account.")
        take_turns(accounts.turn(user.id))
        if not credentials.held(user.id):
            raise LookupError(f"{address} has no second factor.")
        for row in challenges.waiting(PURPOSE, str(user.id)):
            when = f"{_due_at(row):%Y-%m-%d %H:%M} UTC"
            raise LookupError(f"The second factors of {address} are reset already: {when}.")
        delay = config.settings().mfa_reset_delay
        due_at = clock.now() + delay
        data = {"user_id": str(user.id), "due_at": due_at.isoformat()}
        secrets = challenges.create(PURPOSE, str(user.id), data, delay + OVERDUE)
        where = links.link("cancel-mfa-reset", secrets.id, secrets.token)
        notices.tell(user, "notice_mfa_reset", {"link": where, "when": due_at}, visitor)
        record(events.Factor.RESET_ASKED, visitor, user_id=user.id, due_at=due_at.isoformat())
    return due_at


def cancel(token: str, visitor: Visitor) -> None:
    """Let an account keep its factors, by the link that its owner got.

    Raises:
        ResetNotWaiting: the token is wrong, or the reset was done or stopped before.
    """
    row = challenges.by_token(PURPOSE, token)
    if row is None or row.user_id is None:
        raise ResetNotWaiting
    _stop(row.user_id, [row.id], visitor)


def cancel_own(user_id: UUID, visitor: Visitor) -> None:
    """Let an account keep its factors, by the wish of its owner who has just proved one.

    Raises:
        ResetNotWaiting: no reset waits.
    """
    _stop(user_id, [row.id for row in challenges.waiting(PURPOSE, str(user_id))], visitor)


def describe(challenge_id: UUID) -> WaitingReset | None:
    """Return what a link would stop, if it still can."""
    row = challenges.by_id(PURPOSE, challenge_id)
    return WaitingReset(urlsplit(links.front()).netloc, _due_at(row)) if row else None


def finish_due() -> None:
    """Do each reset whose moment has come, in a transaction of its own."""
    unused = select(Challenge).where(Challenge.purpose == PURPOSE, Challenge.used_at.is_(None))
    waiting = db.session.scalars(unused.order_by(Challenge.id)).all()
    for challenge_id in [row.id for row in waiting if _due_at(row) <= clock.now()]:
        finish(challenge_id, NOBODY)


def finish(challenge_id: UUID, visitor: Visitor) -> bool:
    """Take all factors of an account, unless somebody did or stopped it; tell which, and commit.

    Everybody is put out, and no device is remembered: whoever comes next has the first factor only.
    """
    try:
        with writing():
            challenges.consume(challenge_id)
            row = db.session.get_one(Challenge, challenge_id)
            if row.user_id:
                _take_all(row.user_id, visitor)
    except challenges.InvalidCode:
        db.session.rollback()
        return False
    db.session.commit()
    return True


def _take_all(user_id: UUID, visitor: Visitor) -> None:
    user = accounts.get(user_id)
    if user is None:
        return
    kinds = sorted({row.kind for row in credentials.held(user_id)})
    db.session.execute(delete(Credential).where(Credential.user_id == user_id))
    challenges.forget_of(user_id, pending.PURPOSE)
    devices.ask_again(user_id)
    sessions.end_all(user_id, "mfa_reset", visitor)
    record(events.Factor.RESET, visitor, user_id=user_id, kinds=kinds)
    notices.tell(user, "notice_factor_removed", {"factor": ", ".join(kinds)}, visitor)


def _stop(user_id: UUID, ids: list[UUID], visitor: Visitor) -> None:
    if not ids:
        raise ResetNotWaiting
    try:
        with writing():
            for challenge_id in ids:
                challenges.consume(challenge_id)
            record(events.Factor.RESET_CANCELLED, visitor, user_id=user_id)
    except challenges.InvalidCode:
        raise ResetNotWaiting from None


def _due_at(row: Challenge) -> datetime:
    return datetime.fromisoformat(challenges.open_data(row)["due_at"])
