"""Changing one's password."""

from dataclasses import replace
from uuid import UUID

from gatehouse.accounts import notices, password
from gatehouse.accounts import service as accounts
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.defence import devices
from gatehouse.foundation import languages
from gatehouse.foundation.database import take_turns, writing
from gatehouse.foundation.visitor import Visitor
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.sessions import service as sessions
from gatehouse.tokens import challenges
from gatehouse.tokens.service import AccessToken


class CurrentPasswordWrong(InvalidCredentials):
    """The current password is wrong."""

    event = events.Account.PASSWORD_CHANGE_FAILED


def change(caller: AccessToken, current: str, new: str, visitor: Visitor) -> None:
    """Replace the caller's password and end their other sessions.

    Raises:
        CurrentPasswordWrong: it was changed, or is another one.
        TooManyAttempts: after too many of those, here or at another door.
        ValidationFailed: the new password is not good enough.
    """
    user_id = UUID(caller.sub)
    user = accounts.get(user_id)
    personal = [user.email, user.username, user.name] if user else []
    claimed = password.look(user_id, visitor)
    stored = password.verify(claimed, current, visitor, CurrentPasswordWrong).stored
    say = languages.choose(user.locale if user else None, visitor.languages).say
    passwords.require_good(new, personal, say=say)
    fresh = passwords.hash_new(new, visitor)
    with writing():
        take_turns(accounts.turn(user_id))
        if not passwords.replace(user_id, stored, fresh):
            raise CurrentPasswordWrong(user_id=user_id)  # changed while we were hashing
        passwords.store(user_id, replace(fresh, chosen_by=stored.chosen_by))  # notes when
        challenges.forget_of(user_id, but=notices.KEPT)  # begun with the old one, perhaps by others
        sessions.end_all(user_id, "password_changed", visitor, keep=UUID(caller.sid))
        devices.ask_again(user_id)
        if user := accounts.get(user_id):
            notices.tell(user, "notice_password_changed", {}, visitor)
        record(events.Account.PASSWORD_CHANGED, visitor, user_id=user_id)
