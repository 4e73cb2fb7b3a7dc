"""What administrators do with accounts: create and change them, and require a new password."""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import email_change_revert, invitation, phone_number
from gatehouse.account.password_reset import RESET_CODE
from gatehouse.account.pending_registration import REGISTRATION_CODE
from gatehouse.audit.administration_events import Administration
from gatehouse.audit.service import record
from gatehouse.core.events import CredentialChanged, UserChanged, UserCreated, publish
from gatehouse.database.session import write_transaction
from gatehouse.lockout import service as lockout
from gatehouse.one_time_codes import locks, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.one_time_codes.sending import CodeRequest
from gatehouse.passwords import service as passwords
from gatehouse.users import attributes, notifications, registration_policy
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange, changing_user, record_change
from gatehouse.users.administration_forms import NewUserForm
from gatehouse.users.errors import EmailTaken
from gatehouse.users.identifiers import Email
from gatehouse.users.profile_schema import ADMINISTRATOR, USER
from gatehouse.web.request_context import RequestContext, without_client
from models import User

PASSWORD_RESET_REQUIRED = "password_reset_required"  # noqa: S105 - why sessions ended


def create_user(form: NewUserForm, context: RequestContext) -> UUID:
    """Create a user without a password, and send an invitation to choose one.

    The e-mail address is verified once the invitation is accepted.

    Raises:
        EmailTaken, UsernameTaken: another user has the e-mail address or the username.
        GrantExceedsOwnPermissions: a pending invitation gives more than the actor could.
        RegistrationClosed: no new accounts are accepted.
        ValidationFailed: an attribute is not accepted.
    """
    registration_policy.require_invitations()
    email = form.email
    with write_transaction():
        locks.lock_recipient(email.canonical)
        if users.find_by_email(email.canonical):
            raise EmailTaken
        invitation.require_may_replace(email, context.actor)
        one_time_codes.delete_for_subject(REGISTRATION_CODE.purpose, email.canonical)
        user = users.create_user(email, form.profile)
        record(Administration.CREATED, context, user_id=user.id)
        publish(UserCreated(user.id, context))
        invitation.send_to_user(user, context)
        attributes.change_attributes(user, form.attributes, ADMINISTRATOR)
    return user.id


def update_user(change: UserChange, fields: dict[str, Any]) -> None:
    """Change the profile, the username, the e-mail address or the phone number of a user.

    A new e-mail address counts as verified by the administrator; the previous one is notified, and
    can revert the change. A new number is unverified. None clears a field. What only administrators
    write is written by another one: it may decide what the user may do in an application.

    Raises:
        EmailTaken, UsernameTaken: another user has the e-mail address or the username.
        ValidationFailed: an attribute is not accepted.
    """
    with changing_user(change) as user:
        email, changes = fields.pop("email", None), fields.pop("attributes", {})
        users.require_free_username(fields.get("username"), user_id=user.id)
        if fields.get("phone", user.phone) != user.phone:
            phone_number.set_phone(user, fields["phone"], None, without_client(change.context))
        users.set_fields(user, fields)
        changed = set(fields)
        if email and email.canonical != user.email_canonical:
            _change_email(user, email, without_client(change.context))
            changed.add("email")
        paths = attributes.list_paths(changes)
        record_change(Administration.UPDATED, change, fields=[*sorted(changed), *paths])
        is_own = change.context.actor.user_id == user.id
        attributes.change_attributes(user, changes, USER if is_own else ADMINISTRATOR)
        publish(UserChanged(user.id, change.context, (*sorted(changed), *paths)))


def unlock_user(change: UserChange) -> None:
    """Reset the failed attempts of a user; networks with many of them stay blocked."""
    with changing_user(change) as user:
        lockout.unlock(user.id, change.context, reason=change.reason)


def require_new_password(change: UserChange) -> None:
    """End the sessions of a user, who must choose a new password with a link sent by e-mail.

    A user who has never had a password gets another invitation. Pending codes and links are void.
    """
    with changing_user(change) as user:
        passwords.require_change(user.id)
        # codes requested with the old password, perhaps by an attacker
        one_time_codes.delete_for_user(user.id, except_purposes=notifications.SURVIVING_PURPOSES)
        publish(CredentialChanged(user.id, PASSWORD_RESET_REQUIRED, change.context))
        if user.email_verified_at is None and passwords.get(user.id) is None:
            invitation.send_to_user(user, change.context)
        else:
            recipient = Recipient("email", user.email, user.email_canonical, user.locale)
            sending.send_code(
                CodeRequest(RESET_CODE, str(user.id), recipient, user.id), change.context
            )
        record_change(Administration.PASSWORD_RESET, change)


def _change_email(user: User, new: Email, context: RequestContext) -> None:
    """Set an e-mail address, void all codes of the user, and let the previous address revert it."""
    locks.lock_recipient(new.canonical)
    was_verified, old_email = user.email_verified_at is not None, user.email
    user_id = user.id
    try:
        users.set_verified_email(user, new)
    except IntegrityError:
        raise EmailTaken(user_id=user_id) from None
    one_time_codes.delete_for_subject(REGISTRATION_CODE.purpose, new.canonical)
    one_time_codes.delete_for_user(user_id, except_purposes=notifications.SURVIVING_PURPOSES)
    if was_verified:
        email_change_revert.create_revert_link(user, old_email, context)
