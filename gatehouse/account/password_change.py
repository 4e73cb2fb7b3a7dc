"""Changing one's password."""

from dataclasses import replace
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import i18n
from gatehouse.database.session import take_turns, writing
from gatehouse.devices import service as devices
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.sessions import service as sessions
from gatehouse.tokens.service import AccessToken
from gatehouse.users import notifications, password_check
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor


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
    user = users.get(user_id)
    personal = [user.email, user.username, user.name] if user else []
    claimed = password_check.look(user_id, visitor)
    stored = password_check.verify(claimed, current, visitor, CurrentPasswordWrong).stored
    say = i18n.choose(user.locale if user else None, visitor.languages).say
    passwords.require_good(new, personal, say=say)
    fresh = passwords.hash_new(new, visitor)
    with writing():
        take_turns(users.turn(user_id))
        if not passwords.replace(user_id, stored, fresh):
            raise CurrentPasswordWrong(user_id=user_id)  # changed while we were hashing
        passwords.store(user_id, replace(fresh, chosen_by=stored.chosen_by))  # notes when
        one_time_codes.forget_of(
            user_id, but=notifications.KEPT
        )  # begun with the old one, perhaps by others
        sessions.end_all(user_id, "password_changed", visitor, keep=UUID(caller.sid))
        devices.ask_again(user_id)
        if user := users.get(user_id):
            notifications.tell(user, "notice_password_changed", {}, visitor)
        record(events.Account.PASSWORD_CHANGED, visitor, user_id=user_id)
