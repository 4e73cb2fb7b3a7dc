"""Change of the e-mail address: verify the new one, notify the old one and let it revert."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import activation, email_change_revert
from gatehouse.account.registration import REGISTRATION_CODE
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto_labels
from gatehouse.database.session import advisory_lock, write_transaction
from gatehouse.one_time_codes import locks, redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.sending import CodeRequest
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.one_time_codes.stored_data import CodeData, stored_as
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.tokens.service import AccessToken
from gatehouse.users import notifications, password_check
from gatehouse.users import service as users
from gatehouse.users.counted_attempts import count_code_attempt
from gatehouse.users.errors import AccountDeleted, EmailVerificationFailed
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

CHANGE_CODE = CodeType(
    crypto_labels.EMAIL_CHANGE,
    template="email_change",
    lifetime=timedelta(hours=1),
    error=EmailVerificationFailed,
    page="confirm-email",
    replaces_older=True,
)


@dataclass(frozen=True)
class EmailCode:
    """A code that verifies an e-mail address, with what else the client sent."""

    email: Email
    code: str
    password: str | None = None
    registration_token: str | None = None


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

    email: str
    requested_at: datetime


def request_email_change(caller: AccessToken, email: Email, context: RequestContext) -> None:
    """Send a verification to the new address and a notification to the old; nothing changes yet.

    A new request voids older ones. The address of another account gets no e-mail, with the same
    response and the same work.

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
    """
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


def verify_by_code(sent: EmailCode, context: RequestContext) -> list[str]:
    """Verify an e-mail address with the code of a sign-up or of an e-mail change.

    A sign-up with a passkey needs the `registration_token`, too, and a code that was requested from
    another network the `password`.

    Returns:
        The recovery codes of an account created with a passkey, else an empty list.

    Raises:
        EmailVerificationFailed: the code matches neither, or its attempts are used up.
        CodeRequestedElsewhere: it was requested from another network; the password is missing.
        InvalidCredentials: the code is correct, but the password is wrong.
        TooManyAttempts: too many codes for this address were wrong; this one was not evaluated.
        UsernameTaken: another user took the username in the meantime.
    """
    with count_code_attempt(CHANGE_CODE, sent.email.canonical, context):
        row = _verify_code(sent)
        activation.require_registration_token(row, sent.registration_token)
    password = sent.password
    if row.purpose == REGISTRATION_CODE.purpose:
        activation.require_same_applicant(row, password, context)
    elif row.user_id and password is not None:
        with one_time_codes.refund_on_error(row.id, EmailChangePasswordWrong):
            _require_password(row.user_id, password, context)
    else:
        activation.require_same_ip_prefix(row, context)
    return _activate(row, context)


def verify_by_link(token: str, typed_password: str, context: RequestContext) -> None:
    """Verify an e-mail address with the link of a sign-up or e-mail change, and the password.

    Raises:
        EmailVerificationFailed: the link is wrong, has expired or was used before.
        InvalidCredentials: the link is valid, but the password is wrong.
        TooManyAttempts: too many passwords were wrong; this one was not evaluated.
        UsernameTaken: another user took the username in the meantime.
    """
    row = one_time_codes.find_by_token(CHANGE_CODE.purpose, token)
    if row is None or row.user_id is None:
        activation.verify_by_link(token, typed_password, context)
        return
    _require_password(row.user_id, typed_password, context)
    _activate(row, context)


def find_pending(code_id: UUID) -> PendingEmailChange | None:
    """Return the requested change of a link, if the link still works."""
    row = one_time_codes.find_by_id(CHANGE_CODE.purpose, code_id)
    if row is None:
        return None
    email = one_time_codes.load_data(row, EmailChangeData).email
    return PendingEmailChange(email, row.created_at)


def _require_password(user_id: UUID, typed_password: str, context: RequestContext) -> None:
    target = password_check.find_by_id(user_id, context)
    password_check.verify_password(target, typed_password, context, EmailChangePasswordWrong)


def _build_request(
    user: User, email: Email, is_eligible: bool, context: RequestContext
) -> CodeRequest:
    recipient = Recipient("email", email.as_written, email.canonical, user.locale)
    data = EmailChangeData(
        email=email.as_written, old_email=user.email_canonical, ip_address=context.ip_address
    )
    return CodeRequest(CHANGE_CODE, email.canonical, recipient, user.id, data, is_eligible)


def _verify_code(sent: EmailCode) -> OneTimeCode:
    """Return the matching code; both types are always tried, so that timing reveals neither."""
    matches = []
    for code_type in (REGISTRATION_CODE, CHANGE_CODE):
        with suppress(InvalidCode):
            matches.append(redeeming.verify_code(code_type, sent.email.canonical, sent.code))
    if not matches:
        raise InvalidCode
    return matches[0]


def _activate(row: OneTimeCode, context: RequestContext) -> list[str]:
    if row.purpose == REGISTRATION_CODE.purpose:
        return activation.activate(row, context)
    try:
        with write_transaction():
            _change_email(row, context)
    except IntegrityError:
        raise EmailVerificationFailed(user_id=row.user_id) from None
    return []


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
