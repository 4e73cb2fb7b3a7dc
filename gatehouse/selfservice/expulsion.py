"""Putting everybody out of an account whose owner takes it back."""

from uuid import UUID

from gatehouse.accounts.notices import KEPT
from gatehouse.defence import devices, throttle
from gatehouse.foundation.visitor import Visitor
from gatehouse.sessions import service as sessions
from gatehouse.tokens import challenges


def put_everybody_out(user_id: UUID, reason: str, visitor: Visitor) -> None:
    """End every session, forget every device, void whatever waits, in the current transaction.

    What others began before (a change of address, a half-finished login, another reset) ends with
    it; only an old address may still take its account back, and a reset of second factors that was
    announced goes on. Guesses are counted anew, but for those of second factors: a mailbox alone
    gives nobody more of them.
    """
    kinds = (throttle.PASSWORD, throttle.CODE)
    throttle.reopen(user_id, visitor, *kinds)  # while its devices tell where their counters are
    devices.forget_all(user_id)
    challenges.forget_of(user_id, but=KEPT)
    sessions.end_all(user_id, reason, visitor)
