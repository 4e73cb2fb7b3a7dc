"""Login: every method ends in `complete_first_factor`; sessions are opened only in this module."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core.plugins import load
from gatehouse.database.session import write_transaction
from gatehouse.devices import service as devices
from gatehouse.login import account_checks, risk
from gatehouse.login.method import AuthenticationResult, LoginMethod
from gatehouse.mfa import (
    attempts,
    email_fallback,
    grace_period,
    login_challenge,
    mandatory_enrolment,
    registry,
    reset,
)
from gatehouse.mfa.errors import MfaEnrolmentOverdue
from gatehouse.mfa.factor import CodeUsed
from gatehouse.mfa.login_challenge import FirstFactorResult, MfaRequired
from gatehouse.mfa.mandatory_enrolment import EnrolmentRequired
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.risk.engine import RiskAssessment
from gatehouse.sessions import assurance
from gatehouse.sessions import service as sessions
from gatehouse.sessions.token_response import BODY
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.users.service import UserWithProfile
from gatehouse.web.request_context import RequestContext
from models import User

LoginResult: TypeAlias = sessions.TokenPair | MfaRequired | EnrolmentRequired
"""The result of a login step: tokens, or what the client must do next."""
METHODS: dict[str, LoginMethod] = load("gatehouse.login.methods", ["password", "passkey", "link"])

FAILURES_TO_NOTIFY = 3
"""Consecutive wrong passwords from the same unknown device or network, before the correct one."""


def authenticate(
    method: str,
    form: dict[str, Any],
    context: RequestContext,
    replaced_session_id: UUID | None = None,
) -> LoginResult:
    """Authenticate with one login method, check the account, and return tokens or an MFA challenge.

    `replaced_session_id` is the browser's previous session; it is ended.

    Raises:
        InvalidCredentials, InvalidCode: the credentials are wrong.
        TooManyAttempts: too many attempts failed; this one was not evaluated.
        AccountDisabled, EmailUnverified, PasswordCompromised: an account check failed.
        CaptchaRequired, LoginRejected, MfaEnrolmentOverdue: the policy stops this login.
    """
    return complete_first_factor(
        METHODS[method].authenticate(form, context), context, replaced_session_id, form["transport"]
    )


def complete_first_factor(
    result: AuthenticationResult,
    context: RequestContext,
    replaced_session_id: UUID | None = None,
    transport: str = BODY,
) -> LoginResult:
    """Sign in an authenticated user, in one write transaction, or return the required next step.

    Users with a second factor must use it, unless the device is trusted.

    Raises:
        InvalidCredentials: the account was deleted, or its password changed, in the meantime.
        AccountDisabled, EmailUnverified, PasswordCompromised, LoginRejected: see `authenticate`.
        MfaEnrolmentOverdue: a factor is required, and the grace period for enrolling has ended.
    """
    assessment = risk.assess_risk(result, context)
    with write_transaction():
        person, has_factor = login_challenge.load_user(result.user_id)
        if person is None:  # deleted while the password was hashed
            raise InvalidCredentials
        user = person.user
        _apply_result(result, user, context)
        risk.apply_decision(
            user, assessment, context, has_factor or email_fallback.is_available(user, result.amr)
        )
        if (
            result.failures_from_unknown_devices
            and (result.failures_here or 0) >= FAILURES_TO_NOTIFY
        ):
            notifications.notify_failed_attempts(user.id, context)
        first_factor = _first_factor_result(result, transport, replaced_session_id)
        if assurance.MFA in assurance.merge_amr(result.amr):  # two in one, such as a passkey
            return _open_session(person, first_factor, result.amr, context)
        if has_factor and _second_factor_required(assessment, user, context):
            return login_challenge.start(first_factor, context)
        next_step = (
            None if has_factor else _required_next_step(user, first_factor, assessment, context)
        )
        return next_step or _open_session(person, first_factor, result.amr, context)


def _required_next_step(
    user: User, first_factor: FirstFactorResult, assessment: RiskAssessment, context: RequestContext
) -> MfaRequired | EnrolmentRequired | None:
    """Return the next step for a user without a factor: e-mail OTP, enrolment, or None.

    Raises:
        MfaEnrolmentOverdue: a factor is required, the grace period has ended, and no e-mail OTP
            is available instead.
    """
    is_required = login_challenge.is_mfa_required(user.id)
    is_overdue = is_required and not grace_period.is_open(user)
    if (assessment.requires_second_factor or is_overdue) and email_fallback.is_available(
        user, first_factor.amr
    ):
        return login_challenge.start_with_email(first_factor, context)
    if is_overdue:
        error = MfaEnrolmentOverdue(user_id=user.id)
        error.on_rollback = partial(risk.record_assessment, user.id, assessment, context)
        raise error
    return mandatory_enrolment.start(first_factor, context) if is_required else None


def _second_factor_required(
    assessment: RiskAssessment, user: User, context: RequestContext
) -> bool:
    """Return whether a user with a second factor must use it now.

    While an MFA reset is pending, it is required on trusted devices, too. Verifying it cancels the
    reset, so an owner who signs in as usual stops an attacker's reset.
    """
    if assessment.requires_second_factor or not devices.is_trusted(user.id, context):
        return True
    return reset.is_pending(user.id)


def _apply_result(result: AuthenticationResult, user: User, context: RequestContext) -> None:
    """Consume the one-time credential, check the account, and store a new password hash."""
    if result.consume:
        result.consume()
    is_flagged = result.password_hash is not None and _lock_verified_password(
        result, result.password_hash
    )
    account_checks.require_active_account(user)
    account_checks.require_uncompromised_password(user, is_flagged)
    if result.password_hash and result.rehashed:
        _replace_stale_hash(user.id, result.password_hash, result.rehashed, context)


def complete_second_factor(
    form: dict[str, Any], context: RequestContext
) -> tuple[LoginResult, str]:
    """Verify a second factor and sign in; return the result and the token transport.

    If the policy requires a strong factor and this one is weak, enrolment of a strong one is next.

    Raises:
        InvalidCode: the response is wrong, or the login is no longer pending.
        TooManyAttempts: too many attempts failed; this one was not evaluated.
        AccountDisabled, EmailUnverified: an account check failed.
    """
    attempt = login_challenge.count_attempt(form, context)
    with attempts.attempt(attempt.counted_attempt, context, at_login=True), write_transaction():
        _lock_password(attempt.first_factor)
        verified = login_challenge.verify_second_factor(attempt, context)
        person = _require_account(attempt.first_factor)
        user = person.user
        account_checks.require_active_account(user)
        amr = [*attempt.first_factor.amr, *verified.amr]
        strong = registry.get_factor(verified.credential.kind).strong
        if strong and "pwd" in attempt.first_factor.amr:
            passwords.mark_confirmed_by_factor(user.id, verified.credential.kind)
        if not strong and login_challenge.is_mfa_required(user.id):
            enrolment = mandatory_enrolment.start(replace(attempt.first_factor, amr=amr), context)
            return enrolment, attempt.first_factor.transport
        tokens = _open_session(person, attempt.first_factor, amr, context)
        if form["remember_device"] and tokens.device_token:
            devices.trust_device(user.id, tokens.device_token)
            context = context.authenticated_as(user.id)
            record(events.Factor.DEVICE_TRUSTED, context, user_id=user.id)
    return tokens, attempt.first_factor.transport


def complete_enrolment(
    form: dict[str, Any], context: RequestContext
) -> tuple[sessions.TokenPair, str, list[str]]:
    """Confirm the second factor that the policy requires, and sign in.

    Returns:
        The tokens, their transport, and the recovery codes.

    Raises:
        InvalidCode: the response is wrong, or the login is no longer pending.
        TooManyAttempts: too many attempts failed; this one was not evaluated.
    """
    attempt = mandatory_enrolment.count_attempt(form, context)
    with attempts.attempt(attempt.counted_attempt, context), write_transaction():
        _lock_password(attempt.first_factor)
        factor_amr, codes = mandatory_enrolment.confirm_factor(attempt, context)
        person = _require_account(attempt.first_factor)
        account_checks.require_active_account(person.user)
        amr = [*attempt.first_factor.amr, *factor_amr]
        tokens = _open_session(person, attempt.first_factor, amr, context)
    return tokens, attempt.first_factor.transport, codes


def _open_session(
    person: UserWithProfile,
    first_factor: FirstFactorResult,
    amr: Sequence[str],
    context: RequestContext,
) -> sessions.TokenPair:
    user_id = person.user.id
    context = context.authenticated_as(user_id)
    device_token = devices.register_login(user_id, context)
    tokens = sessions.open_session(person, amr, context, device_token)
    if first_factor.replaced_session_id:
        sessions.end_session(UUID(first_factor.replaced_session_id), "replaced_by_login", context)
    about = {"user_id": user_id, "session_id": tokens.session_id}
    record(events.Login.SUCCEEDED, context, **about, amr=assurance.merge_amr(amr))
    return replace(tokens, device_token=device_token)


def _first_factor_result(
    result: AuthenticationResult, transport: str, replaced_session_id: UUID | None
) -> FirstFactorResult:
    password_set_at = result.password_hash.changed_at if result.password_hash else None
    return FirstFactorResult(
        user_id=str(result.user_id),
        amr=list(result.amr),
        transport=transport,
        replaced_session_id=str(replaced_session_id) if replaced_session_id else None,
        password_set_at=password_set_at.isoformat() if password_set_at else None,
    )


def _require_account(first_factor: FirstFactorResult) -> UserWithProfile:
    """Return the user of a pending login.

    Raises:
        CodeUsed: the account was deleted.
    """
    person = users.get_user_with_profile(UUID(first_factor.user_id))
    if person is None:
        raise CodeUsed
    return person


def _lock_password(first_factor: FirstFactorResult) -> None:
    """Lock the password of a pending login, and require that it has not changed since.

    A password change locks in the same order, the password before the pending login; otherwise
    the two could deadlock.

    Raises:
        CodeUsed: the password changed, or the account was deleted.
    """
    if not first_factor.password_set_at:
        return
    try:
        passwords.lock_and_check_unchanged(
            UUID(first_factor.user_id), datetime.fromisoformat(first_factor.password_set_at)
        )
    except WrongPassword:
        raise CodeUsed from None


def _lock_verified_password(result: AuthenticationResult, verified: passwords.PasswordHash) -> bool:
    """Lock the password, require that it did not change while it was verified; return its flag."""
    try:
        return passwords.lock_and_check_unchanged(result.user_id, verified.changed_at)
    except WrongPassword:
        raise InvalidCredentials(user_id=result.user_id) from None


def _replace_stale_hash(
    user_id: UUID,
    stale: passwords.PasswordHash,
    rehashed: passwords.PasswordHash,
    context: RequestContext,
) -> None:
    if passwords.replace_hash(user_id, stale, rehashed):
        record(events.Account.PASSWORD_UPGRADED, context, user_id=user_id)
