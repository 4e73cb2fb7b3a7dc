"""All second factors of somebody who lost them go: announced, and later.

An operator asks for it, or the owner with two proofs (`selfservice.lost_factor`); either may be a
thief, or talked into it by one. So the owner hears of it at every address, and has a day to stop it
(NIST SP 800-63B-4 sections 4.2.3 and 4.6).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, select

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.database.session import db, take_turns, writing
from gatehouse.devices import service as devices
from gatehouse.messaging import links
from gatehouse.mfa import credential_store, login_challenge, registry
from gatehouse.mfa.errors import ResetNotWaiting
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.sessions import service as sessions
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.web.request_context import NOBODY, Visitor
from models import Challenge, Credential, User

PURPOSE = notifications.MFA_RESET
OVERDUE = timedelta(days=7)
"""How long after its moment a reset is still done, where the service did not run."""


@dataclass(frozen=True)
class WaitingReset:
    """What the page of the link tells about a reset."""

    site: str
    due_at: datetime


def ask(address: str, visitor: Visitor) -> datetime:
    """Announce, for an operator, that an account loses its factors, and return when it does.

    What its owner has asked for waits no longer: it depended on more (see `announce`).

    Raises:
        LookupError: with a sentence; nobody has the address, or a factor, or it is announced.
    """
    with writing():
        user = users.find(address)
        if user is None:
            raise LookupError(f"{address} has no account.")
        take_turns(users.turn(user.id))
        if not credential_store.held(user.id):
            raise LookupError(f"{address} has no second factor.")
        for row in one_time_codes.waiting(PURPOSE, str(user.id)):
            if one_time_codes.open_data(row).get("claim") is None:
                when = f"{_due_at(row):%Y-%m-%d %H:%M} UTC"
                raise LookupError(f"The second factors of {address} are reset already: {when}.")
        one_time_codes.forget(PURPOSE, str(user.id))
        return _announce(user, None, visitor)


def announce(user: User, password: datetime | None, visitor: Visitor) -> datetime:
    """Announce that an account loses its factors because its owner proved who they are.

    It is done only if nothing speaks against that meanwhile: a factor that is proved after all or
    is new, or another address or password. `password` is when the one that was proved with was
    chosen. What is announced already is not announced again. It is the account's turn, in a write
    transaction.
    """
    for row in one_time_codes.waiting(PURPOSE, str(user.id)):
        if _objection(row, user) is None:
            return _due_at(row)
    one_time_codes.forget(PURPOSE, str(user.id))
    chosen_at = password.isoformat() if password else None
    return _announce(user, {"address": user.email_canonical, "password": chosen_at}, visitor)


def waits(user_id: UUID) -> bool:
    """Tell whether a reset is announced: until it is done or stopped, no device is remembered."""
    return bool(one_time_codes.waiting(PURPOSE, str(user_id)))


def cancel(token: str, visitor: Visitor) -> None:
    """Let an account keep its factors, by the link that its owner got.

    Raises:
        ResetNotWaiting: the token is wrong, or the reset was done or stopped before.
    """
    row = one_time_codes.by_token(PURPOSE, token)
    if row is None or row.user_id is None:
        raise ResetNotWaiting
    _stop(row.user_id, [row.id], visitor)


def cancel_own(user_id: UUID, visitor: Visitor) -> None:
    """Let an account keep its factors, by the wish of its owner who has just proved one.

    Raises:
        ResetNotWaiting: no reset waits.
    """
    _stop(user_id, [row.id for row in one_time_codes.waiting(PURPOSE, str(user_id))], visitor)


def describe(challenge_id: UUID) -> WaitingReset | None:
    """Return what a link would stop, if it still can."""
    row = one_time_codes.by_id(PURPOSE, challenge_id)
    return WaitingReset(urlsplit(links.front()).netloc, _due_at(row)) if row else None


def finish_due() -> None:
    """Do each reset whose moment has come, in a transaction of its own."""
    unused = select(Challenge).where(Challenge.purpose == PURPOSE, Challenge.used_at.is_(None))
    waiting = db.session.scalars(unused.order_by(Challenge.id)).all()
    for challenge_id in [row.id for row in waiting if _due_at(row) <= clock.now()]:
        finish(challenge_id, NOBODY)


def finish(challenge_id: UUID, visitor: Visitor) -> bool:
    """Take all factors of an account, unless somebody stopped it or did so; tell which, and commit.

    Everybody is put out, and no device is remembered: whoever comes next has the first factor only.
    """
    try:
        with writing():
            row = one_time_codes.by_id(PURPOSE, challenge_id)
            if row is None:
                raise one_time_codes.InvalidCode
            take_turns(users.turn(row.user_id or users.NOBODY))
            one_time_codes.consume(challenge_id)
            taken = _take_all(row, visitor)
    except one_time_codes.InvalidCode:
        db.session.rollback()
        return False
    db.session.commit()
    return taken


def _announce(user: User, claim: dict[str, Any] | None, visitor: Visitor) -> datetime:
    """Write down when the factors go, and tell the owner; `claim`: what their wish rests on."""
    delay = config.settings().mfa_reset_delay
    due_at = clock.now() + delay
    data = {"user_id": str(user.id), "due_at": due_at.isoformat(), "claim": claim}
    secrets = one_time_codes.create(PURPOSE, str(user.id), data, delay + OVERDUE)
    where = links.link("cancel-mfa-reset", secrets.id, secrets.token)
    notifications.tell(user, "notice_mfa_reset", {"link": where, "when": due_at}, visitor)
    event = events.Factor.LOSS_PROVED if claim else events.Factor.RESET_ASKED
    record(event, visitor, user_id=user.id, due_at=due_at.isoformat())
    return due_at


def _objection(row: Challenge, user: User) -> str | None:
    """Return what speaks against a reset that its owner asked for; nothing does against others."""
    claim = one_time_codes.open_data(row).get("claim")
    if claim is None:
        return None
    if user.email_canonical != claim["address"]:
        return "another address"
    stored = passwords.of(user.id) if claim["password"] else None
    chosen_at = stored.chosen_at.isoformat() if stored and stored.chosen_at else None
    if chosen_at != claim["password"]:
        return "another password"
    strong = (
        factor for factor in credential_store.held(user.id) if registry.is_strong(factor.kind)
    )
    used = (at for factor in strong for at in (factor.confirmed_at, factor.last_used_at))
    return "a factor was used" if any(at and at >= row.created_at for at in used) else None


def _take_all(row: Challenge, visitor: Visitor) -> bool:
    """Take the factors, unless something speaks against it; tell which."""
    user = users.get(row.user_id) if row.user_id else None
    if user is None:
        return False
    user_id = user.id
    if why := _objection(row, user):
        record(events.Factor.RESET_DROPPED, visitor, user_id=user_id, why=why)
        return False
    kinds = sorted({row.kind for row in credential_store.held(user_id)})
    db.session.execute(delete(Credential).where(Credential.user_id == user_id))
    one_time_codes.forget_of(user_id, login_challenge.PURPOSE)
    devices.ask_again(user_id)
    sessions.end_all(user_id, "mfa_reset", visitor)
    record(events.Factor.RESET, visitor, user_id=user_id, kinds=kinds)
    notifications.tell(user, "notice_factor_removed", {"factor": ", ".join(kinds)}, visitor)
    return True


def _stop(user_id: UUID, ids: list[UUID], visitor: Visitor) -> None:
    if not ids:
        raise ResetNotWaiting
    try:
        with writing():
            for challenge_id in ids:
                one_time_codes.consume(challenge_id)
            record(events.Factor.RESET_CANCELLED, visitor, user_id=user_id)
    except one_time_codes.InvalidCode:
        raise ResetNotWaiting from None


def _due_at(row: Challenge) -> datetime:
    return datetime.fromisoformat(one_time_codes.open_data(row)["due_at"])
