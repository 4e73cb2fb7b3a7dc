"""Change of the password by a signed-in user."""

from dataclasses import replace
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import i18n
from gatehouse.core.events import CredentialChanged, PasswordChanged, publish
from gatehouse.database.session import advisory_lock, write_transaction
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.tokens.service import AccessToken
from gatehouse.users import notifications, password_check
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext


class CurrentPasswordWrong(InvalidCredentials):
    """The current password is wrong."""

    event = events.Account.PASSWORD_CHANGE_FAILED


def change_password(caller: AccessToken, current: str, new: str, context: RequestContext) -> None:
    """Replace the caller's password and end their other sessions.

    Raises:
        CurrentPasswordWrong: the current password is wrong, or changed in the meantime.
        TooManyAttempts: too many attempts on this account failed, here or elsewhere.
        ValidationFailed: the new password breaks the password policy, or is the current one.
    """
    user_id = UUID(caller.sub)
    user = users.get_user(user_id)
    personal = [user.email, user.username, user.name] if user else []
    target = password_check.find_by_id(user_id, context)
    stored = password_check.verify_password(target, current, context, CurrentPasswordWrong).stored
    translate = i18n.choose_language(user.locale if user else None, context.accept_language).gettext
    passwords.require_acceptable_password(new, personal, translate=translate)
    passwords.require_new_password(stored, new, context, translate)
    password_hash = passwords.hash_password(new, context)
    with write_transaction():
        advisory_lock(users.lock_key(user_id))
        if not passwords.replace_hash(user_id, stored, password_hash):
            raise CurrentPasswordWrong(user_id=user_id)  # changed during the hashing
        # sets the time of the change, too
        passwords.store_password_hash(user_id, replace(password_hash, set_via=stored.set_via))
        # codes requested with the old password, perhaps by an attacker
        one_time_codes.delete_for_user(user_id, except_purposes=notifications.SURVIVING_PURPOSES)
        publish(CredentialChanged(user_id, "password_changed", context, UUID(caller.sid)))
        if user := users.get_user(user_id):
            notifications.notify(user, "notice_password_changed", {}, context)
        record(events.Account.PASSWORD_CHANGED, context, user_id=user_id)
        publish(PasswordChanged(user_id, context, "changed"))
