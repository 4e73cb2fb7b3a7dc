"""MFA recovery: reset all second factors of a user who lost them, after two independent checks.

NIST SP 800-63B-4 section 4.2.2.2 requires a code that is sent, and the password or a saved recovery
code: two codes that are sent are one method. A password that was set with a message is no more than
the message, and a recently changed e-mail address or number may be an attacker's; neither counts.
The result is the reset of `mfa.reset`: announced, delayed, and possible to cancel.

Unknown users get the same response after the same work.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gatehouse.account import email_change_revert, password_reset
from gatehouse.account.errors import (
    MfaRecoveryFailed,
    MfaRecoveryPasswordWrong,
    ProofsNotIndependent,
)
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import advisory_lock, write_transaction
from gatehouse.messaging import outbox, recipient_limits, sms, sms_budget
from gatehouse.messaging.message import MessageRequest
from gatehouse.mfa import attempts, credential_store, registry, reset
from gatehouse.mfa.factor import CodeUsed
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import code_attempts, notifications, password_check
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

PURPOSE = crypto_labels.MFA_RECOVERY
LIFETIME = timedelta(minutes=10)
MIN_PHONE_AGE = email_change_revert.LIFETIME
"""How long a number must have been verified before its codes count. An e-mail address counts once
the previous one can no longer revert the change, which takes as long."""


def send_code(form: dict[str, Any], context: RequestContext) -> str:
    """Send a code, in one write transaction; return the recovery token that it works with.

    `form` has `email` (Email) or `phone`; the account must have had it for `MIN_PHONE_AGE`.
    """
    recovery_token = crypto.random_token()
    with write_transaction():
        user = password_reset.find_user(form)
        advisory_lock(password_reset.lock_key(form, user))
        message = _build_message(form, user)
        data = {"named": password_reset.canonical_identifier(form), "by": message.channel}
        is_eligible = _is_eligible(user or _decoy_user(message), message)
        if user is None or not is_eligible:
            about = {"user_id": user.id} if user else {}
            record(events.Factor.MFA_RECOVERY_CODE_SUPPRESSED, context, **about)
            data |= {"whom": str(user.id)} if user else {}
            enqueue_decoy = sms.send_decoy if message.channel == "sms" else outbox.enqueue_decoy
            enqueue_decoy(_create_code(message, recovery_token, data), context)
            return recovery_token
        enqueue = sms.send if message.channel == "sms" else outbox.put
        enqueue(_create_code(message, recovery_token, data | {"user_id": str(user.id)}), context)
        record(
            events.Factor.MFA_RECOVERY_CODE_SENT, context, user_id=user.id, channel=message.channel
        )
    return recovery_token


def confirm_recovery(form: dict[str, Any], context: RequestContext) -> datetime:
    """Announce the reset of all second factors, and return when it will happen.

    `form` has the `recovery_token`, the `code` that was sent, and `password` or `recovery_code`.
    The code is verified first: without it, no password or recovery code can be tried here.

    Raises:
        MfaRecoveryFailed, FactorVerificationFailed: the code or the recovery code is wrong, has
            expired or was used before.
        MfaRecoveryPasswordWrong: the code is correct, but the password is wrong.
        ProofsNotIndependent: both are correct, but the password does not count.
        TooManyAttempts: too many attempts failed; this one was not evaluated.
    """
    row = _verify_code(form, context)
    one_time_codes.refund_attempt(row.id)  # the code was correct; the rest has its own counters
    if row.user_id is None:
        raise MfaRecoveryFailed
    if "password" in form:
        return _with_password(row, row.user_id, form["password"], context)
    return _with_recovery_code(row, row.user_id, form["recovery_code"], context)


def _with_password(
    row: OneTimeCode, user_id: UUID, typed_password: str, context: RequestContext
) -> datetime:
    target = password_check.find_by_id(user_id, context)
    stored = password_check.verify_password(
        target, typed_password, context, MfaRecoveryPasswordWrong
    ).stored
    with write_transaction():
        user = _consume_code(row)
        try:
            passwords.lock_and_check_unchanged(user_id, stored.changed_at)
        except WrongPassword:  # changed while it was hashed
            raise MfaRecoveryPasswordWrong(user_id=user_id) from None
        if not passwords.is_independent_proof(user_id):
            raise ProofsNotIndependent(user_id=user_id)
        return reset.schedule_by_owner(user, stored.changed_at, context)


def _with_recovery_code(
    row: OneTimeCode, user_id: UUID, recovery_code: str, context: RequestContext
) -> datetime:
    form = {"factor": registry.RECOVERY_CODES, "code": recovery_code}
    attempts.load_response(registry.RECOVERY_CODES, form)
    counted_attempt = attempts.count_attempt(user_id, context)
    with attempts.attempt(counted_attempt, context), write_transaction():
        try:
            user = _consume_code(row)
        except MfaRecoveryFailed:
            raise CodeUsed from None
        attempts.verify_factor(user_id, form, {}, context)
        return reset.schedule_by_owner(user, None, context)


def _consume_code(row: OneTimeCode) -> User:
    """Lock the account, consume the code, and return the user.

    Raises:
        MfaRecoveryFailed: the code was used before, the e-mail address or number changed, or the
            account has no factor any more.
    """
    data = one_time_codes.decrypt_data(row)
    user_id = UUID(data["user_id"])
    advisory_lock(users.lock_key(user_id))
    user = users.get_user(user_id)
    try:
        one_time_codes.consume(row.id)
    except one_time_codes.InvalidCode:
        raise MfaRecoveryFailed(user_id=user_id) from None
    if (
        user is None
        or not _is_current_recipient(user, data)
        or not credential_store.list_confirmed(user_id)
    ):
        raise MfaRecoveryFailed(user_id=user_id)
    if data["by"] == "sms":
        sms_budget.record_conversion(data["named"])
    return user


def _is_current_recipient(user: User, data: dict[str, Any]) -> bool:
    """Return whether a code was sent to the user's current e-mail address or verified number."""
    return data["named"] in (user.email_canonical, user.phone if user.phone_verified_at else "")


def _is_eligible(user: User, message: MessageRequest) -> bool:
    """Return whether the user has a factor, and a code to this recipient counts and may be sent."""
    has_factor = bool(credential_store.list_confirmed(user.id)) and user.disabled_at is None
    has_quota = recipient_limits.has_quota(message.recipient, message.template)
    revertible = one_time_codes.list_pending(notifications.EMAIL_CHANGE_REVERT, str(user.id))
    if message.channel == "sms":
        since = user.phone_verified_at
        is_established = since is not None and since <= clock.now() - MIN_PHONE_AGE
    else:
        is_established = user.email_verified_at is not None and not revertible
    return has_factor and has_quota and is_established


def _decoy_user(message: MessageRequest) -> User:
    return User(id=users.UNKNOWN_USER_ID, email=message.recipient)


def _build_message(form: dict[str, Any], user: User | None) -> MessageRequest:
    """Return the message without its variables; a known user's address is used as they wrote it."""
    locale = user.locale if user else None
    if "phone" in form:
        return MessageRequest(form["phone"], "sms_mfa_recovery", {}, locale, "sms")
    return MessageRequest(
        user.email if user else form["email"].as_written, "mfa_recovery", {}, locale
    )


def _create_code(
    message: MessageRequest, recovery_token: str, data: dict[str, Any]
) -> MessageRequest:
    """Store the one-time code; return the message with it."""
    if message.channel == "sms":
        secrets = one_time_codes.create_short_code(PURPOSE, recovery_token, data)
        return replace(message, variables={"code": secrets.code})
    secrets = one_time_codes.create(PURPOSE, recovery_token, data, LIFETIME)
    return replace(message, variables={"code": secrets.code, "expires": clock.now() + LIFETIME})


def _verify_code(form: dict[str, Any], context: RequestContext) -> OneTimeCode:
    """Count an attempt on the account of the recovery token, then verify the code."""
    pending = one_time_codes.list_pending(PURPOSE, form["recovery_token"])
    if not pending:
        raise MfaRecoveryFailed
    subject = pending[0].user_id or _attempt_subject(one_time_codes.decrypt_data(pending[0]))
    with code_attempts.counted_attempt(subject, context, MfaRecoveryFailed):
        return one_time_codes.verify_code(PURPOSE, form["recovery_token"], form["code"])


def _attempt_subject(data: dict[str, Any]) -> UUID | str:
    """Return the subject that attempts at an unsent code count for: the account, if there is one.

    All routes count code attempts per account; a separate count here would reveal the account.
    """
    return UUID(data["whom"]) if "whom" in data else str(data["named"])
