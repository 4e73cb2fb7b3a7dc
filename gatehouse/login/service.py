"""Login: two lists of steps, from a form to tokens. Sessions are opened only in this module.

`BEFORE` runs without a transaction; the counter of attempts commits by itself. `WITHIN` runs in one
write transaction, in which a second step and an enrolment (`login.second_step`) resume.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.captcha import service as captcha
from gatehouse.core.events import UserSignedIn, publish
from gatehouse.core.plugins import list_names, load
from gatehouse.database.session import advisory_lock, end_transaction, write_transaction
from gatehouse.devices import service as devices
from gatehouse.hooks import blocking
from gatehouse.lockout import service as lockout
from gatehouse.login import account_checks, risk
from gatehouse.login.hooks import ask_hooks, load_claims
from gatehouse.login.method import (
    AuthenticationResult,
    CaptchaLoginForm,
    LoginAttempt,
    LoginMethod,
)
from gatehouse.mfa import challenges, grace_period, registry, reset
from gatehouse.mfa.challenges import EnrolmentRequired, MfaRequired
from gatehouse.mfa.errors import MfaEnrolmentOverdue
from gatehouse.mfa.factor import CodeUsed
from gatehouse.mfa.first_step import FirstFactorResult
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.sessions import assurance, step_up
from gatehouse.sessions import service as sessions
from gatehouse.sessions.continuation import Continuation
from gatehouse.sessions.token_pair import TokenPair
from gatehouse.users import administration, notifications
from gatehouse.users import service as users
from gatehouse.users.counted_attempts import settle_attempt
from gatehouse.web.request_context import RequestContext

PACKAGE = "gatehouse.login.methods"
METHODS: dict[str, LoginMethod[object]] = load(PACKAGE, list_names(PACKAGE))
FAILURES_TO_NOTIFY = 3
"""Consecutive wrong passwords from the same unknown device or network, before the correct one."""

Attempt: TypeAlias = LoginAttempt[Any]
Challenge: TypeAlias = MfaRequired | EnrolmentRequired


@dataclass(frozen=True)
class LoginAnswer:
    """How a step of a login ended: with tokens, or with what the client must do next."""

    result: TokenPair | Challenge
    transport: str
    continuation: Continuation | None
    """What the client continues with, once there are tokens."""


# Before the transaction


def identify(attempt: Attempt) -> Attempt:
    """Find the account or identifier that the attempt counts for."""
    attempt.target = attempt.method.identify(attempt.form, attempt.context)
    return attempt


def require_captcha(attempt: Attempt) -> Attempt:
    """Require a solved CAPTCHA where the policy does; nothing has been counted or evaluated."""
    target, form = attempt.target, attempt.form
    if target and isinstance(form, CaptchaLoginForm):
        attempt.captcha = captcha.check_login(
            target.subject, target.device_id, form.captcha, attempt.context
        )
    return attempt


def count_attempt(attempt: Attempt) -> Attempt:
    """Count the attempt, and commit the count."""
    if target := attempt.target:
        attempt.counted = lockout.count_attempt(
            target.subject, target.device_id, attempt.context, target.kind
        )
    return attempt


def authenticate(attempt: Attempt) -> Attempt:
    """Verify the credential; the count is taken back unless the credential is wrong."""
    counted = attempt.counted
    with settle_attempt(counted, attempt.context) if counted else nullcontext():
        attempt.accept(attempt.method.authenticate(attempt))
    end_transaction()
    captcha.release_count(attempt.captcha)
    return attempt


def assess_risk(attempt: Attempt) -> Attempt:
    """Assess the risk of the login, for the next steps to act on."""
    attempt.assessment = risk.assess_risk(attempt)
    return attempt


# Within the write transaction


def check_account(attempt: Attempt) -> Attempt:
    """Lock the user, who must be allowed to sign in; consume what the first step verified."""
    advisory_lock(users.lock_key(attempt.user_id))
    person, attempt.has_factor = account_checks.load_account(attempt.user_id)
    if person is None:  # deleted while the password was hashed, or before the second step
        raise InvalidCredentials if attempt.result else CodeUsed
    administration.enable_if_over(person.user)
    attempt.person = person
    if attempt.result is None:
        account_checks.require_active_account(person.user)
    else:
        _accept_first_factor(attempt, attempt.result)
    return attempt


def require_second_factor(attempt: Attempt) -> Attempt | Challenge:
    """Continue with a verified second factor, or where none is required; else issue a challenge."""
    if attempt.second_factor:
        is_strong = registry.get_factor(attempt.second_factor.credential.kind).strong
        if is_strong or not _is_mfa_required(attempt):
            return attempt
        return challenges.start_enrolment(_first_factor(attempt), attempt.context)
    if assurance.MFA in assurance.merge_amr(attempt.amr):  # two in one, such as a passkey
        return attempt
    if not attempt.has_factor:
        return _require_other_step(attempt) or attempt
    if _may_skip_second_factor(attempt):
        return attempt
    return challenges.start_login(_first_factor(attempt), attempt.context)


def open_session(attempt: Attempt) -> TokenPair:
    """Open the session, and end the one that it replaces."""
    user_id = attempt.person.user.id
    context = attempt.context.authenticated_as(user_id)
    device_token = devices.register_login(user_id, context)
    amr = step_up.combine_methods(user_id, attempt.amr)
    tokens = sessions.open_session(attempt.person, amr, context, device_token)
    if attempt.replaced_session_id:
        sessions.end_session(attempt.replaced_session_id, "replaced_by_login", context)
    session_id = tokens.session_id
    record(events.Login.SUCCEEDED, context, user_id=user_id, session_id=session_id, amr=amr)
    publish(UserSignedIn(user_id, context, session_id, tuple(amr)))
    if attempt.remember_device and device_token:
        devices.trust_device(user_id, device_token)
        record(events.Factor.DEVICE_TRUSTED, context, user_id=user_id)
    return replace(tokens, device_token=device_token)


BEFORE: tuple[Callable[[Attempt], Attempt], ...] = (
    identify,
    require_captcha,
    count_attempt,
    authenticate,
    assess_risk,
    ask_hooks,
    load_claims,
)
"""No transaction is open; the counter commits by itself."""
WITHIN: tuple[Callable[[Attempt], Attempt | TokenPair | Challenge], ...] = (
    check_account,
    require_second_factor,
    open_session,
)
"""One write transaction."""


def log_in(method: str, attempt: Attempt) -> LoginAnswer:
    """Log in with one method: run all steps.

    Raises:
        InvalidCredentials, InvalidCode: the credentials are wrong.
        TooManyAttempts: too many attempts failed; this one was not evaluated.
        AccountDisabled, EmailUnverified, PasswordCompromised: an account check failed.
        CaptchaRequired, LoginRejected, MfaEnrolmentOverdue: the policy stops this login.
        LoginDenied: a hook of the operator stops this login.
    """
    attempt.method = METHODS[method]
    for step in BEFORE:
        attempt = step(attempt)
    with write_transaction():
        return complete(attempt)


def complete(attempt: Attempt) -> LoginAnswer:
    """Run the steps of the write transaction, which the caller has begun.

    Raises:
        InvalidCredentials, CodeUsed: the account was deleted, or its password changed, meanwhile.
        AccountDisabled, EmailUnverified, PasswordCompromised, LoginRejected: see `log_in`.
        MfaEnrolmentOverdue: a factor is required, and the grace period for enrolling has ended.
    """
    result: Attempt | TokenPair | Challenge = attempt
    for step in WITHIN:
        if isinstance(result, LoginAttempt):
            result = step(result)
    if isinstance(result, LoginAttempt):
        raise TypeError("the last step opens the session")
    return LoginAnswer(result, attempt.transport, attempt.continuation)


def _accept_first_factor(attempt: Attempt, result: AuthenticationResult) -> None:
    """Consume the one-time credential, check the account, and apply what its risk requires."""
    user, context = attempt.person.user, attempt.context
    if result.consume:
        result.consume()
    is_flagged = result.password_hash is not None and _lock_password(result, result.password_hash)
    account_checks.require_active_account(user)
    account_checks.require_uncompromised_password(user, is_flagged)
    _replace_stale_hash(result, context)
    blocking.record_failures(attempt.failed_hooks)
    can_be_challenged = attempt.has_factor or account_checks.can_receive_otp(user, attempt.amr)
    risk.apply_decision(user, attempt.assessment, context, can_be_challenged)
    is_notified = (attempt.failures_here or 0) >= FAILURES_TO_NOTIFY
    if attempt.failures_from_unknown_devices and is_notified:
        notifications.notify_failed_attempts(user.id, context)


def _lock_password(result: AuthenticationResult, verified: passwords.PasswordHash) -> bool:
    """Lock the password, require that it did not change while it was verified; return its flag."""
    try:
        return passwords.lock_and_check_unchanged(result.user_id, verified.changed_at)
    except WrongPassword:
        raise InvalidCredentials(user_id=result.user_id) from None


def _replace_stale_hash(result: AuthenticationResult, context: RequestContext) -> None:
    """Store the new hash of the same password, if the verified one has outdated parameters."""
    stale, rehashed = result.password_hash, result.rehashed
    if stale and rehashed and passwords.replace_hash(result.user_id, stale, rehashed):
        record(events.Account.PASSWORD_UPGRADED, context, user_id=result.user_id)


def _may_skip_second_factor(attempt: Attempt) -> bool:
    """Return whether the device of a user with a second factor is trusted.

    While an MFA reset is pending, no device is. Verifying a factor cancels the reset, so an owner
    who signs in as usual stops an attacker's reset.
    """
    user_id = attempt.user_id
    if attempt.assessment.requires_second_factor:
        return False
    return devices.is_trusted(user_id, attempt.context) and not reset.is_pending(user_id)


def _require_other_step(attempt: Attempt) -> Challenge | None:
    """Return the next step for a user without a factor: e-mail OTP, enrolment, or None.

    Raises:
        MfaEnrolmentOverdue: a factor is required, the grace period has ended, and no e-mail OTP
            is available instead.
    """
    user, context, is_required = attempt.person.user, attempt.context, _is_mfa_required(attempt)
    if is_required:
        grace_period.note_policy_start()  # unless it was when the service started
    is_overdue = is_required and not grace_period.is_open(user)
    is_challenged = attempt.assessment.requires_second_factor or is_overdue
    if is_challenged and account_checks.can_receive_otp(user, attempt.amr):
        return challenges.start_login_with_email(_first_factor(attempt), context)
    if is_overdue:
        error = MfaEnrolmentOverdue(user_id=user.id)
        error.on_rollback = partial(risk.record_assessment, user.id, attempt.assessment, context)
        raise error
    return challenges.start_enrolment(_first_factor(attempt), context) if is_required else None


def _is_mfa_required(attempt: Attempt) -> bool:
    """Return whether the policy requires a second factor of the user."""
    return assurance.is_mfa_required(attempt.person.profile["roles"])


def _first_factor(attempt: Attempt) -> FirstFactorResult:
    """Return what a pending login stores."""
    replaced, set_at = attempt.replaced_session_id, attempt.password_set_at
    return FirstFactorResult(
        user_id=str(attempt.user_id),
        amr=list(attempt.amr),
        transport=attempt.transport,
        replaced_session_id=str(replaced) if replaced else None,
        password_set_at=set_at.isoformat() if set_at else None,
        continuation=attempt.continuation,
    )
