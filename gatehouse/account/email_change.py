"""Change of the e-mail address: verify the new one, notify the old one and let it revert."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import email_change_revert, registration, sign_up
from gatehouse.account.access_revocation import take_ownership
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto_labels
from gatehouse.database.session import advisory_lock, write_transaction
from gatehouse.messaging import outbox, recipient_limits
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.tokens.service import AccessToken
from gatehouse.users import code_attempts, mail_variables, notifications, password_check
from gatehouse.users import service as users
from gatehouse.users.errors import AccountDeleted, EmailVerificationFailed
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

PURPOSE = crypto_labels.EMAIL_CHANGE
LIFETIME = timedelta(hours=1)


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
        advisory_lock(users.lock_key(user.id))
        event = _request_event(user, email)
        if event != events.Identifier.EMAIL_CHANGE_SUPPRESSED:  # the last code stays valid then
            one_time_codes.delete_for_user(user.id, PURPOSE)
        is_sent = event == events.Identifier.EMAIL_CHANGE_REQUESTED
        enqueue = outbox.put if is_sent else outbox.enqueue_decoy
        enqueue(_build_message(user, email, context), context)
        notifications.notify(user, "email_change_asked", {"new_address": email.as_written}, context)
        record(event, context, user_id=user.id)


def verify_by_code(form: dict[str, Any], context: RequestContext) -> list[str]:
    """Verify an e-mail address with the code of a sign-up or of an e-mail change.

    `form` has `email` (Email) and `code`; also `registration_token` for a sign-up with a passkey,
    or `password` if the code was requested from another network.

    Returns:
        The recovery codes of an account created with a passkey, else an empty list.

    Raises:
        EmailVerificationFailed: the code matches neither, or its attempts are used up.
        CodeRequestedElsewhere: it was requested from another network; the password is missing.
        InvalidCredentials: the code is correct, but the password is wrong.
        TooManyAttempts: too many codes for this address were wrong; this one was not evaluated.
        UsernameTaken: another user took the username in the meantime.
    """
    with code_attempts.counted_attempt(form["email"].canonical, context, EmailVerificationFailed):
        row = _verify_code(form["email"], form["code"])
        registration.require_registration_token(row, form.get("registration_token"))
    password = form.get("password")
    if row.purpose == registration.PURPOSE:
        registration.require_same_applicant(row, password, context)
    elif row.user_id and password is not None:
        with one_time_codes.refund_on_error(row.id, EmailChangePasswordWrong):
            _require_password(row.user_id, password, context)
    else:
        registration.require_same_ip_prefix(row, context)
    return _activate(row, context)


def verify_by_link(token: str, typed_password: str, context: RequestContext) -> None:
    """Verify an e-mail address with the link of a sign-up or e-mail change, and the password.

    Raises:
        EmailVerificationFailed: the link is wrong, has expired or was used before.
        InvalidCredentials: the link is valid, but the password is wrong.
        TooManyAttempts: too many passwords were wrong; this one was not evaluated.
        UsernameTaken: another user took the username in the meantime.
    """
    row = one_time_codes.find_by_token(PURPOSE, token)
    if row is None or row.user_id is None:
        registration.verify_by_link(token, typed_password, context, take_ownership)
        return
    _require_password(row.user_id, typed_password, context)
    _activate(row, context)


def find_pending(code_id: UUID) -> PendingEmailChange | None:
    """Return the requested change of a link, if the link still works."""
    row = one_time_codes.find_by_id(PURPOSE, code_id)
    if row is None:
        return None
    return PendingEmailChange(one_time_codes.decrypt_data(row)["email"], row.created_at)


def _require_password(user_id: UUID, typed_password: str, context: RequestContext) -> None:
    target = password_check.find_by_id(user_id, context)
    password_check.verify_password(target, typed_password, context, EmailChangePasswordWrong)


def _request_event(user: User, email: Email) -> events.Event:
    existing = users.find_by_email(email.canonical)
    if existing and existing.id != user.id:
        return events.Identifier.EMAIL_TAKEN
    if not recipient_limits.has_quota(email.as_written, PURPOSE):
        return events.Identifier.EMAIL_CHANGE_SUPPRESSED
    return events.Identifier.EMAIL_CHANGE_REQUESTED


def _build_message(user: User, email: Email, context: RequestContext) -> MessageRequest:
    data = {"user_id": str(user.id), "email": email.as_written, "old": user.email_canonical}
    data |= {"address": context.ip_address}
    secrets = one_time_codes.create(PURPOSE, email.canonical, data, LIFETIME)
    variables = mail_variables.build_code_variables("confirm-email", secrets, LIFETIME)
    return MessageRequest(email.as_written, PURPOSE, variables, user.locale)


def _verify_code(email: Email, code: str) -> OneTimeCode:
    """Return the matching code; both purposes are always tried, so that timing reveals neither."""
    matches = []
    for purpose in (registration.PURPOSE, PURPOSE):
        with suppress(one_time_codes.InvalidCode):
            matches.append(one_time_codes.verify_code(purpose, email.canonical, code))
    if not matches:
        raise one_time_codes.InvalidCode
    return matches[0]


def _activate(row: OneTimeCode, context: RequestContext) -> list[str]:
    if row.purpose == registration.PURPOSE:
        return sign_up.activate_account(row, context)
    try:
        with write_transaction():
            _change_email(row, context)
    except (IntegrityError, one_time_codes.InvalidCode):
        raise EmailVerificationFailed(user_id=row.user_id) from None
    return []


def _change_email(row: OneTimeCode, context: RequestContext) -> None:
    """Set the user's new e-mail address, and void the codes that were sent before.

    Raises:
        InvalidCode: the request is out of date.
        IntegrityError: the new address got an account in the meantime.
    """
    data = one_time_codes.decrypt_data(row)
    new = Email(data["email"], data["email"].lower())
    user_id = UUID(data["user_id"])
    context = context.authenticated_as(user_id)
    advisory_lock(users.lock_key(user_id))
    advisory_lock(registration.lock_key(new.canonical))
    one_time_codes.consume(row.id)
    user = users.get_user(user_id)
    if user is None or user.email_canonical != data["old"]:
        raise one_time_codes.InvalidCode
    old_email, was_verified = user.email, user.email_verified_at is not None
    users.set_verified_email(user, new)
    one_time_codes.delete_for_subject(registration.PURPOSE, new.canonical)
    one_time_codes.delete_for_user(user_id, except_purposes=notifications.SURVIVING_PURPOSES)
    if was_verified:
        email_change_revert.create_revert_link(user, old_email, context)
    record(events.Identifier.EMAIL_CHANGED, context, user_id=user_id)
