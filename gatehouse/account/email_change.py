"""Change of the e-mail address: verify the new one, notify the old one and let it revert."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import email_change_revert
from gatehouse.account.pending_registration import REGISTRATION_CODE
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto_labels
from gatehouse.core.events import UserChanged, publish
from gatehouse.database.session import advisory_lock, write_transaction
from gatehouse.one_time_codes import locks, redeeming, requester, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.sending import CodeRequest
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.one_time_codes.stored_data import CodeData, stored_as
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.tokens.service import AccessToken
from gatehouse.users import notifications, password_check, registration_policy
from gatehouse.users import service as users
from gatehouse.users.errors import AccountDeleted, EmailVerificationFailed
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

CHANGE_CODE = CodeType(
    crypto_labels.EMAIL_CHANGE,
    template="email_change",
    lifetime_of=lambda settings: settings.email_change_lifetime,
    error=EmailVerificationFailed,
    page="confirm-email",
    replaces_older=True,
)


@dataclass(frozen=True, kw_only=True)
class EmailChangeData(CodeData):
    """What is stored with the code of an e-mail change."""

    email: str
    old_email: str = stored_as("old", "")
    """Canonical; the code is void once the account has another one."""
    ip_address: str = stored_as("address", "")


class EmailChangePasswordWrong(InvalidCredentials):
    """The code or link is correct, but the password is wrong."""

    event = events.Registration.VERIFICATION_FAILED


@dataclass(frozen=True)
class PendingEmailChange:
    """A requested change of the e-mail address, as the page of its link shows it."""

    requested_at: datetime


def request_email_change(caller: AccessToken, email: Email, context: RequestContext) -> None:
    """Send a verification to the new address and a notification to the old; nothing changes yet.

    A new request voids older ones. The address of another account gets no e-mail, with the same
    response and the same work.

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
        ValidationFailed: the domain is not allowed.
    """
    registration_policy.require_allowed_domain(email)
    with write_transaction():
        user = users.get_user(UUID(caller.sub))
        if user is None:
            raise AccountDeleted
        existing = users.find_by_email(email.canonical)
        is_free = existing is None or existing.id == user.id
        request = _build_request(user, email, is_free, context)
        sent = sending.send_code(request, context)
        notifications.notify(user, "email_change_asked", {"new_address": email.as_written}, context)
        group = events.Identifier
        if not is_free:
            record(group.EMAIL_TAKEN, context, user_id=user.id)
        elif sent.is_over_limit:
            record(group.EMAIL_CHANGE_SUPPRESSED, context, user_id=user.id)
        else:
            record(group.EMAIL_CHANGE_REQUESTED, context, user_id=user.id)


def find_pending(code_id: UUID) -> PendingEmailChange | None:
    """Return the requested change of a link, if the link still works."""
    row = one_time_codes.find_by_id(CHANGE_CODE.purpose, code_id)
    return PendingEmailChange(row.created_at) if row else None


def _build_request(
    user: User, email: Email, is_eligible: bool, context: RequestContext
) -> CodeRequest:
    recipient = Recipient("email", email.as_written, email.canonical, user.locale)
    data = EmailChangeData(
        email=email.as_written, old_email=user.email_canonical, ip_address=context.ip_address
    )
    return CodeRequest(CHANGE_CODE, email.canonical, recipient, user.id, data, is_eligible)


def find_by_user(user_id: UUID, email: Email, code: str) -> OneTimeCode:
    """Return the change that a user requested, if the code is its own and the new address, too.

    Raises:
        InvalidCode: they are not, or the attempts of this user are used up.
    """
    row = requester.verify_code_of_user(CHANGE_CODE.purpose, user_id, code)
    if one_time_codes.load_data(row, EmailChangeData).email.lower() != email.canonical:
        raise InvalidCode
    return row


def require_password(user_id: UUID, typed_password: str, context: RequestContext) -> None:
    """Require the password of the account whose address changes, and lock it for the change.

    Raises:
        EmailChangePasswordWrong: it is another password, or it was changed meanwhile.
        EmailVerificationFailed: it must be changed, because others may know it.
        TooManyAttempts: too many passwords were wrong; this one was not evaluated.
    """
    target = password_check.find_by_id(user_id, context)
    stored = password_check.verify_password(
        target, typed_password, context, EmailChangePasswordWrong
    ).stored
    with write_transaction():
        advisory_lock(users.lock_key(user_id))
        try:
            is_flagged = passwords.lock_and_check_unchanged(user_id, stored.changed_at)
        except WrongPassword:
            raise EmailChangePasswordWrong(user_id=user_id) from None
        if is_flagged:
            raise EmailVerificationFailed(user_id=user_id)


def apply_change(row: OneTimeCode, context: RequestContext) -> None:
    """Change the e-mail address as a verified request says.

    Raises:
        EmailVerificationFailed: the request is out of date, or the new address has an account.
    """
    try:
        with write_transaction():
            _change_email(row, context)
    except IntegrityError:
        raise EmailVerificationFailed(user_id=row.user_id) from None


def _change_email(row: OneTimeCode, context: RequestContext) -> None:
    """Set the user's new e-mail address, and void the codes that were sent before.

    Raises:
        EmailVerificationFailed: the request is out of date.
        IntegrityError: the new address got an account in the meantime.
    """
    data = one_time_codes.load_data(row, EmailChangeData)
    new, user_id = Email(data.email, data.email.lower()), UUID(data.user_id)
    context = context.authenticated_as(user_id)
    advisory_lock(users.lock_key(user_id))
    locks.lock_recipient(new.canonical)
    redeeming.consume(CHANGE_CODE, row)
    user = users.get_user(user_id)
    if user is None or user.email_canonical != data.old_email:
        raise EmailVerificationFailed(user_id=user_id)
    old_email, was_verified = user.email, user.email_verified_at is not None
    users.set_verified_email(user, new)
    one_time_codes.delete_for_subject(REGISTRATION_CODE.purpose, new.canonical)
    one_time_codes.delete_for_user(user_id, except_purposes=notifications.SURVIVING_PURPOSES)
    if was_verified:
        email_change_revert.create_revert_link(user, old_email, context)
    record(events.Identifier.EMAIL_CHANGED, context, user_id=user_id)
    publish(UserChanged(user_id, context, ("email",)))
