"""Putting everybody out of an account whose owner takes it back, or comes for the first time."""

from uuid import UUID

from sqlalchemy import delete

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.database.session import db, take_turns
from gatehouse.devices import service as devices
from gatehouse.lockout import service as lockout
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.sessions import service as sessions
from gatehouse.users import service as users
from gatehouse.users.notifications import KEPT
from gatehouse.web.request_context import Visitor
from models import Credential, User


def put_everybody_out(user_id: UUID, reason: str, visitor: Visitor) -> None:
    """End every session, forget every device, void whatever waits, in the current transaction.

    What others began before (a change of address, a half-finished login, another reset) ends with
    it; only an old address may still take its account back, and a reset of second factors that was
    announced goes on. Guesses are counted anew, but for those of second factors: a mailbox alone
    gives nobody more of them.
    """
    kinds = (lockout.PASSWORD, lockout.CODE)
    lockout.reopen(user_id, visitor, *kinds)  # while its devices tell where their counters are
    devices.forget_all(user_id)
    one_time_codes.forget_of(user_id, but=KEPT)
    sessions.end_all(user_id, reason, visitor)


def claim(user: User, visitor: Visitor) -> None:
    """Give an account to the first who proves its address, in the current transaction.

    Whoever wrote it before, as an import does, may have meant to share it: no factor, number,
    session or open wish of theirs stays, nor does a link by which they could stop or undo
    something. The caller stores the owner's password over the old one. Name and roles stay: they
    open nothing, and roles are the operator's.
    """
    take_turns(users.turn(user.id))
    put_everybody_out(user.id, "address_proved", visitor)
    one_time_codes.forget_of(user.id)
    db.session.execute(delete(Credential).where(Credential.user_id == user.id))
    user.phone = user.phone_verified_at = None
    user.email_verified_at = clock.now()
    record(events.Account.CLAIMED, visitor, user_id=user.id)
