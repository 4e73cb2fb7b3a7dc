"""Registration: from a pending registration to an account with a verified e-mail address.

A pending registration is a one-time code, not an account: its data has the e-mail address, the
profile, and the password hash or passkey. It is activated by its code from the same network, or by
its code or link with the password; so an attacker cannot prepare an account for another person.
Known and unknown e-mail addresses get the same response after the same work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import advisory_lock, db, end_transaction, write_transaction
from gatehouse.messaging import outbox, recipient_limits
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import mail_variables
from gatehouse.users import service as users
from gatehouse.users.errors import (
    CodeRequestedElsewhere,
    EmailVerificationFailed,
    RegistrationPasswordWrong,
)
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import RequestContext, ip_prefix_of
from gatehouse.web.user_agent import device_name
from models import PROFILE_LENGTHS, OneTimeCode, User

PURPOSE = crypto_labels.REGISTRATION
LIFETIME = timedelta(hours=24)  # NIST SP 800-63B-4 section 4.2.1.2: at most 24 hours by e-mail
TEMPLATE = "verify_email"
PROFILE_FIELDS = ("username", "phone", *PROFILE_LENGTHS)
CREDENTIAL_FIELDS = ("hash", "pepper", "passkey", "holder")
"""The stored credential: a password hash, or a passkey and the digest of its registration token."""
TakeOwnership = Callable[[User, RequestContext], None]
"""Removes what was set in an account before its owner verified it; a parameter, because this module
imports no sessions and factors."""


@dataclass(frozen=True)
class PendingRegistration:
    """A pending registration, as the page of its link shows it."""

    email: str
    requested_at: datetime
    ip_address: str
    device: str


def create_pending_registration(form: dict[str, Any], context: RequestContext) -> None:
    """Store a pending registration until its e-mail address is verified.

    `form` has `hash` and `pepper` of the password; or a `passkey` (JSON) and, as `holder`, the
    digest of its registration token, without which the code does not work.
    """
    with write_transaction():
        advisory_lock(lock_key(form["email"].canonical))
        _store_registration(form, context)


def require_registration_token(row: OneTimeCode, registration_token: str | None) -> None:
    """Require the registration token of a sign-up with a passkey, and none of other codes.

    Raises:
        InvalidCode: the token is missing, wrong, or not expected.
    """
    token_digest = crypto.digest(registration_token) if registration_token else None
    if one_time_codes.decrypt_data(row).get("holder") != token_digest:
        raise one_time_codes.InvalidCode


def require_same_applicant(row: OneTimeCode, password: str | None, context: RequestContext) -> None:
    """Require that the client that sends the code is the one that registered.

    Otherwise the owner of an e-mail address could activate an account that an attacker prepared,
    by entering the code of the attacker's registration.

    Raises:
        CodeRequestedElsewhere: the password is missing, and the code is from another network.
        RegistrationPasswordWrong: the password is not the one of this registration.
    """
    data = one_time_codes.decrypt_data(row)
    if "holder" in data:  # `require_registration_token` has checked it
        return
    if password is None:
        require_same_ip_prefix(row, context)
    else:
        _require_password(row, password, context)


def require_same_ip_prefix(row: OneTimeCode, context: RequestContext) -> None:
    """Require the network that requested the code; a correct code is not counted as an attempt.

    Raises:
        CodeRequestedElsewhere: the client is in another network (IPv4 /24, IPv6 /56).
    """
    if ip_prefix_of(one_time_codes.decrypt_data(row).get("address", "")) != context.ip_prefix:
        one_time_codes.refund_attempt(row.id)
        raise CodeRequestedElsewhere(user_id=row.user_id)


def lock_key(canonical: str) -> str:
    """Return the `advisory_lock` key for the registrations of an e-mail address.

    Two transactions that delete each other's rows could otherwise deadlock.
    """
    return f"registration:{canonical}"


def find_pending(code_id: UUID) -> PendingRegistration | None:
    """Return the pending registration of a link, if the link still works."""
    row = one_time_codes.find_by_id(PURPOSE, code_id)
    if row is None:
        return None
    data = one_time_codes.decrypt_data(row)
    return PendingRegistration(data["email"], row.created_at, data["address"], data["device"])


def verify_by_link(
    token: str, password: str, context: RequestContext, take_ownership: TakeOwnership
) -> None:
    """Activate the registration of a link, with the password that was chosen at sign-up.

    Raises:
        EmailVerificationFailed: the link is wrong, has expired or was used before.
        RegistrationPasswordWrong: the link is valid, but the password is wrong.
        UsernameTaken: another user took the username in the meantime.
    """
    try:
        row = one_time_codes.attempt_with_token(PURPOSE, token)
    except one_time_codes.InvalidCode:
        raise EmailVerificationFailed from None
    _require_password(row, password, context)
    activate(row, context, take_ownership)


def _require_password(row: OneTimeCode, password: str, context: RequestContext) -> None:
    data = one_time_codes.decrypt_data(row)
    if "hash" not in data:
        raise EmailVerificationFailed
    end_transaction()
    stored = passwords.PasswordHash(data["hash"], data["pepper"])
    try:
        with one_time_codes.refund_on_error(row.id, WrongPassword):
            passwords.verify_password(stored, password, context)
    except WrongPassword:
        raise RegistrationPasswordWrong from None


def resend(email: Email, context: RequestContext) -> None:
    """Send a new code and link for a pending registration; the previous ones are void.

    If several are pending, the one from the client's IP address is chosen, else the newest. If none
    is, the same work is done, and nothing is sent.
    """
    with write_transaction():
        advisory_lock(lock_key(email.canonical))
        row = _select_registration(email, context)
        if row and recipient_limits.has_quota(email.canonical, TEMPLATE):
            _resend_mail(row, context)
            return
        group = events.Registration
        record(group.MAIL_SUPPRESSED if row else group.NOTHING_PENDING, context)
        variables = _build_variables({}, _create_decoy(email), LIFETIME)
        outbox.enqueue_decoy(MessageRequest(email.as_written, TEMPLATE, variables), context)


def _select_registration(email: Email, context: RequestContext) -> OneTimeCode | None:
    rows = one_time_codes.list_pending(PURPOSE, email.canonical)
    for row in rows:
        if one_time_codes.decrypt_data(row)["address"] == context.ip_address:
            return row
    return rows[0] if rows else None


def _resend_mail(row: OneTimeCode, context: RequestContext) -> None:
    """Send the e-mail again with new secrets; it names the device that registered."""
    data = one_time_codes.decrypt_data(row)
    variables = _build_variables(data, one_time_codes.renew(row), row.expires_at - clock.now())
    variables |= {"address": data["address"], "device": data["device"]}
    outbox.put(MessageRequest(data["email"], TEMPLATE, variables, data.get("locale")), context)
    record(events.Registration.RESENT, context)


def _store_registration(form: dict[str, Any], context: RequestContext) -> None:
    """Store the registration and send its e-mail, or an e-mail that the account exists."""
    email: Email = form["email"]
    existing = users.find_by_email(email.canonical)
    if not recipient_limits.has_quota(email.canonical, TEMPLATE):
        record(events.Registration.MAIL_SUPPRESSED, context)
        return
    data = {key: form[key] for key in (*PROFILE_FIELDS, *CREDENTIAL_FIELDS) if key in form}
    device = device_name(context.user_agent)
    data |= {"email": email.as_written, "address": context.ip_address, "device": device}
    if existing:
        _create_decoy(email)
        outbox.put(MessageRequest(existing.email, "account_exists", {}, existing.locale), context)
        record(events.Registration.EMAIL_TAKEN, context, user_id=existing.id)
        return
    secrets = one_time_codes.create(PURPOSE, email.canonical, data, LIFETIME)
    variables = _build_variables(data, secrets, LIFETIME)
    outbox.put(MessageRequest(email.as_written, TEMPLATE, variables, form.get("locale")), context)
    record(events.Registration.REQUESTED, context)
    if config.settings().unsafe_allow_unverified_email and "hash" in data:
        _create_user(data)


def _create_decoy(email: Email) -> one_time_codes.Secrets:
    """Store an expired code, so that a known e-mail address takes as long as an unknown one."""
    return one_time_codes.create(crypto_labels.DECOY, email.canonical, {}, timedelta(0))


def _build_variables(
    data: dict[str, Any], secrets: one_time_codes.Secrets, lifetime: timedelta
) -> dict[str, Any]:
    """Return the template variables; the link needs a password, so it is empty with a passkey."""
    variables = mail_variables.build_code_variables("verify-email", secrets, lifetime)
    return variables | {"link": ""} if "passkey" in data else variables


def activate(row: OneTimeCode, context: RequestContext, take_ownership: TakeOwnership) -> User:
    """Create the account of a registration whose code, or link and password, were correct.

    An existing account whose e-mail address was never verified, as after an import, is taken over.

    Raises:
        EmailVerificationFailed: the registration was already used, or the address has an account.
        UsernameTaken: another user took the username in the meantime.
    """
    data = one_time_codes.decrypt_data(row)
    canonical = data["email"].lower()
    try:
        with write_transaction():
            advisory_lock(lock_key(canonical))
            one_time_codes.lock_for_subject(PURPOSE, canonical)
            one_time_codes.consume(row.id)
            one_time_codes.delete_for_subject(PURPOSE, canonical)
            existing = _take_over_unverified(canonical, data, take_ownership, context)
            user = existing or _create_user(data)
            user.email_verified_at = clock.now()
            record(events.Registration.VERIFIED, context.authenticated_as(user.id), user_id=user.id)
    except (IntegrityError, one_time_codes.InvalidCode):
        raise EmailVerificationFailed from None
    return user


def _take_over_unverified(
    canonical: str, data: dict[str, Any], take_ownership: TakeOwnership, context: RequestContext
) -> User | None:
    """Take over the account whose e-mail address was never verified, if there is one.

    It comes from an import, or from GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL.
    """
    user = users.find_by_email(canonical)
    if user is None:
        return None
    if user.email_verified_at:
        raise EmailVerificationFailed
    take_ownership(user, context)
    _set_password(user, data)
    return user


def _create_user(data: dict[str, Any]) -> User:
    email = Email(data["email"], data["email"].lower())
    user = users.create_user(email, data)
    _set_password(user, data)
    db.session.flush()
    return user


def _set_password(user: User, data: dict[str, Any]) -> None:
    """Set the password of the registration, or delete the account's password if it has none."""
    if "hash" in data:
        passwords.store_password_hash(user.id, passwords.PasswordHash(data["hash"], data["pepper"]))
    else:
        passwords.delete_password_hash(user.id)
