"""The second step of a login: a second factor, or the enrolment of one that the policy requires."""

from datetime import datetime
from uuid import UUID

from gatehouse.core.errors import NotFound
from gatehouse.database.session import advisory_lock, write_transaction
from gatehouse.hooks import token_claims
from gatehouse.login import service as login
from gatehouse.login.method import LoginAttempt
from gatehouse.login.service import LoginAnswer
from gatehouse.mfa import challenges, credential_store, first_step, registry, verification
from gatehouse.mfa import service as mfa
from gatehouse.mfa.challenges import ENROLMENT, LOGIN, PendingLogin
from gatehouse.mfa.errors import FactorUnavailable
from gatehouse.mfa.factor import CodeUsed, VerifiedFactor
from gatehouse.mfa.first_step import FirstFactorResult
from gatehouse.mfa.forms import (
    ConfirmationAtLoginForm,
    EnrolmentAtLoginForm,
    SecondFactorLoginForm,
)
from gatehouse.passwords import service as passwords
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext


def complete_second_factor(form: SecondFactorLoginForm, context: RequestContext) -> LoginAnswer:
    """Verify a second factor, and resume the login.

    If the policy requires a strong factor and this one is weak, enrolment of a strong one is next.

    Raises:
        InvalidCode: the response is wrong, or the login is no longer pending.
        TooManyAttempts: too many attempts failed; this one was not evaluated.
        AccountDisabled, EmailUnverified: an account check failed.
    """
    pending = challenges.find_pending(LOGIN, form.mfa_token)
    eligible = first_step.eligible_factors(pending.first_factor)
    given = verification.select_factor(eligible, form.given)
    token_claims.load_claims(pending.user_id, context)
    counted = challenges.count_login_attempt(pending, context)
    with verification.settle_factor_attempt(counted, context, at_login=True), write_transaction():
        _lock_password(pending.first_factor)
        verified = challenges.verify_second_factor(pending, given, context)
        attempt = _resume(pending, verified, context)
        attempt.remember_device = form.remember_device
        return login.complete(attempt)


def enrol_factor(form: EnrolmentAtLoginForm, context: RequestContext) -> dict[str, object]:
    """Start enrolling the factor that the policy requires (see `mfa.service.enrol_factor`).

    Raises:
        InvalidCode: the login is no longer pending.
        FactorUnavailable: a factor of this kind does not satisfy the policy.
    """
    pending = challenges.find_pending(ENROLMENT, form.mfa_token)
    if form.kind not in first_step.eligible_kinds(pending.first_factor):
        raise FactorUnavailable
    _require_no_strong_factor(pending.user_id)
    return mfa.enrol_factor(pending.user_id, form, context)


def complete_enrolment(
    form: ConfirmationAtLoginForm, context: RequestContext
) -> tuple[LoginAnswer, list[str]]:
    """Confirm the second factor that the policy requires, and resume the login.

    Returns:
        The answer, and the recovery codes.

    Raises:
        InvalidCode: the response is wrong, or the login is no longer pending.
        NotFound: the user has no such unconfirmed factor.
        TooManyAttempts: too many attempts failed; this one was not evaluated.
    """
    pending = challenges.find_pending(ENROLMENT, form.mfa_token)
    factor_id = _require_unconfirmed(pending.user_id, form)
    token_claims.load_claims(pending.user_id, context)
    counted = challenges.count_login_attempt(pending, context)
    with verification.settle_factor_attempt(counted, context), write_transaction():
        _lock_password(pending.first_factor)
        challenges.consume_pending(pending)
        _require_no_strong_factor(pending.user_id)
        user_context = context.authenticated_as(pending.user_id)
        verified, codes = mfa.confirm_credential(
            pending.user_id, factor_id, form.given.response, user_context
        )
        return login.complete(_resume(pending, verified, context)), codes


def _require_unconfirmed(user_id: UUID, form: ConfirmationAtLoginForm) -> UUID:
    """Return the id of the unconfirmed strong factor that a form confirms.

    Raises:
        NotFound: the user has none with this id.
        ValidationFailed: it needs another response.
    """
    factor_id = form.given.factor_id
    factor = credential_store.lock_credential(user_id, factor_id) if factor_id else None
    if factor is None or factor.confirmed_at or not registry.is_strong(factor.kind):
        raise NotFound
    verification.require_response_of(factor.kind, form.given.response)
    return factor.id


def _resume(
    pending: PendingLogin, verified: VerifiedFactor, context: RequestContext
) -> LoginAttempt[None]:
    """Return the login that was pending, with its second factor."""
    first = pending.first_factor
    attempt = LoginAttempt(None, context, first.transport, continuation=first.continuation)
    if first.replaced_session_id:
        attempt.replaced_session_id = UUID(first.replaced_session_id)
    attempt.user_id, attempt.amr = pending.user_id, (*first.amr, *verified.amr)
    attempt.password_set_at, attempt.second_factor = _password_set_at(first), verified
    return attempt


def _lock_password(first_factor: FirstFactorResult) -> None:
    """Lock the user and the password of a pending login; it must not have changed since.

    A password change locks in the same order, the user and the password before the pending login;
    otherwise the two could deadlock.

    Raises:
        CodeUsed: the password changed or was marked as compromised, or the account was deleted.
    """
    advisory_lock(users.lock_key(UUID(first_factor.user_id)))
    set_at = _password_set_at(first_factor)
    if set_at is None:
        return
    try:
        if passwords.lock_and_check_unchanged(UUID(first_factor.user_id), set_at):
            raise CodeUsed
    except WrongPassword:
        raise CodeUsed from None


def _password_set_at(first_factor: FirstFactorResult) -> datetime | None:
    set_at = first_factor.password_set_at
    return datetime.fromisoformat(set_at) if set_at else None


def _require_no_strong_factor(user_id: UUID) -> None:
    """Check that the user still has no strong factor; with one, the login must verify it.

    Raises:
        CodeUsed: a strong factor was enrolled meanwhile.
    """
    if any(registry.is_strong(row.kind) for row in credential_store.list_confirmed(user_id)):
        raise CodeUsed
