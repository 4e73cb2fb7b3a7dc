"""MFA recovery: reset all second factors of a user who lost them, after two independent checks.

NIST SP 800-63B-4 section 4.2.2.2 requires a code that is sent, and the password or a saved recovery
code: two codes that are sent are one method. A password that was set with a message is no more than
the message, and a recently changed e-mail address or number may be an attacker's; neither counts.
Only an account whose one factor is that message, too, is recovered with another one, in 72 hours.
The result is the reset of `mfa.reset`: announced, delayed, and possible to cancel.
"""

from datetime import datetime, timedelta
from uuid import UUID

from gatehouse.account import email_change_revert
from gatehouse.account.errors import (
    MfaRecoveryFailed,
    MfaRecoveryPasswordWrong,
    ProofsNotIndependent,
)
from gatehouse.account.forms import MfaRecoveryProofForm
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import advisory_lock, write_transaction
from gatehouse.mfa import credential_store, registry, reset, verification
from gatehouse.mfa.factor import CodeUsed, FactorResponse, SecondFactorResponse
from gatehouse.one_time_codes import redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import CHANNELS, EMAIL, Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.sending import CodeRequest
from gatehouse.one_time_codes.stored_data import CodeData
from gatehouse.passwords import service as passwords
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import notifications, password_check
from gatehouse.users import service as users
from gatehouse.users.counted_attempts import count_code_attempt
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

RECOVERY_CODE = CodeType(
    crypto_labels.MFA_RECOVERY,
    template="mfa_recovery",
    short_template="sms_mfa_recovery",
    lifetime_of=lambda settings: settings.short_code_lifetime,
    error=MfaRecoveryFailed,
)
TWO_CHANNELS_DELAY = timedelta(hours=72)
"""The shortest delay of a reset that is confirmed with two messages instead of the password."""
MIN_PHONE_AGE = email_change_revert.REVERT_PERIOD
"""How long a number must have been verified before its codes count. An e-mail address counts once
the previous one can no longer revert the change, which takes as long."""


def send_code(recipient: Recipient, context: RequestContext) -> str:
    """Send a code, in one write transaction; return the recovery token that it works with.

    The account must have had the e-mail address or number for `MIN_PHONE_AGE`.
    """
    recovery_token = crypto.random_token()
    with write_transaction():
        user, recipient = users.find_by_recipient(recipient)
        is_eligible = _is_eligible(user or _decoy_user(recipient), recipient)
        user_id = user.id if user else None
        request = CodeRequest(
            RECOVERY_CODE, recovery_token, recipient, user_id, is_eligible=is_eligible
        )
        sent = sending.send_code(request, context)
        if user_id is None:
            record(events.Factor.MFA_RECOVERY_CODE_SUPPRESSED, context)
        elif not sent.is_enqueued:
            record(events.Factor.MFA_RECOVERY_CODE_SUPPRESSED, context, user_id=user_id)
        else:
            event, channel = events.Factor.MFA_RECOVERY_CODE_SENT, recipient.channel
            record(event, context, user_id=user_id, channel=channel)
    return recovery_token


def confirm_recovery(form: MfaRecoveryProofForm, context: RequestContext) -> datetime:
    """Announce the reset of all second factors, and return when it will happen.

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
    if form.password is not None:
        return _with_password(row, row.user_id, form.password, context)
    return _with_recovery_code(row, row.user_id, form.recovery_code, context)


def _with_password(
    row: OneTimeCode, user_id: UUID, typed_password: str, context: RequestContext
) -> datetime:
    target = password_check.find_by_id(user_id, context)
    stored = password_check.verify_password(
        target, typed_password, context, MfaRecoveryPasswordWrong
    ).stored
    with write_transaction():
        user = _consume_code(row, user_id)
        try:
            is_flagged = passwords.lock_and_check_unchanged(user_id, stored.changed_at)
        except WrongPassword:  # changed while it was hashed
            raise MfaRecoveryPasswordWrong(user_id=user_id) from None
        channel = passwords.get_unconfirmed_channel(user_id)
        if is_flagged or (channel and not _is_second_channel(row, user_id, channel)):
            raise ProofsNotIndependent(user_id=user_id)
        min_delay = TWO_CHANNELS_DELAY if channel else timedelta()
        return reset.schedule_by_owner(user, stored.changed_at, context, min_delay)


def _is_second_channel(row: OneTimeCode, user_id: UUID, channel: str) -> bool:
    """Return whether a code came another way than the message that set the password.

    Two messages count only if nothing but a factor of the first channel is reset: access to both
    channels is enough anyway, to reset the password with the second and log in with that factor.
    """
    kinds = {factor.kind for factor in credential_store.list_confirmed(user_id)}
    factors = registry.enabled_factors()
    is_only_channel = all(
        kind in factors and channel in factors[kind].amr
        for kind in kinds - {registry.RECOVERY_CODES}
    )
    return is_only_channel and redeeming.channel_of(row).amr != channel


def _with_recovery_code(
    row: OneTimeCode, user_id: UUID, recovery_code: str, context: RequestContext
) -> datetime:
    given = SecondFactorResponse(registry.RECOVERY_CODES, FactorResponse(recovery_code))
    verification.require_response_of(given.kind, given.response)
    counted = verification.count_factor_attempt(user_id, context)
    with verification.settle_factor_attempt(counted, context), write_transaction():
        try:
            user = _consume_code(row, user_id)
        except MfaRecoveryFailed:
            raise CodeUsed from None
        verification.verify_factor(user_id, given, {}, context)
        return reset.schedule_by_owner(user, None, context)


def _consume_code(row: OneTimeCode, user_id: UUID) -> User:
    """Lock the account, consume the code, and return the user.

    Raises:
        MfaRecoveryFailed: the code was used before, the e-mail address or number changed, or the
            account has no factor any more.
    """
    advisory_lock(users.lock_key(user_id))
    user = users.get_user(user_id)
    redeeming.consume(RECOVERY_CODE, row)
    recipient = one_time_codes.load_data(row, CodeData).recipient
    if (
        user is None
        or not _is_current_recipient(user, recipient)
        or not credential_store.list_confirmed(user_id)
    ):
        raise MfaRecoveryFailed(user_id=user_id)
    return user


def _is_current_recipient(user: User, recipient: str) -> bool:
    """Return whether a code was sent to the user's current e-mail address or verified number."""
    return recipient in (user.email_canonical, user.phone if user.phone_verified_at else "")


def _is_eligible(user: User, recipient: Recipient) -> bool:
    """Return whether the user has a factor, and a code to this recipient counts."""
    has_factor = bool(credential_store.list_confirmed(user.id)) and user.disabled_at is None
    revertible = one_time_codes.list_pending(notifications.EMAIL_CHANGE_REVERT, str(user.id))
    if CHANNELS[recipient.channel].identifier == EMAIL:
        return has_factor and user.email_verified_at is not None and not revertible
    since = user.phone_verified_at
    return has_factor and since is not None and since <= clock.now() - MIN_PHONE_AGE


def _decoy_user(recipient: Recipient) -> User:
    return User(id=users.UNKNOWN_USER_ID, email=recipient.as_written)


def _verify_code(form: MfaRecoveryProofForm, context: RequestContext) -> OneTimeCode:
    """Count an attempt on the account of the recovery token, then verify the code."""
    account = redeeming.find_account(RECOVERY_CODE, form.recovery_token)
    with count_code_attempt(RECOVERY_CODE, account, context):
        return redeeming.verify_code(RECOVERY_CODE, form.recovery_token, form.code)
