"""Adaptive login: assess the risk of a login (see `risk.engine`) and apply the decision."""

from functools import partial
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.captcha import service as captcha
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.core.errors import ApiError
from gatehouse.login.method import CaptchaLoginForm, LoginAttempt
from gatehouse.risk import engine
from gatehouse.risk.engine import RiskAssessment
from gatehouse.risk.policy import Decision
from gatehouse.users import notifications
from gatehouse.web.request_context import RequestContext
from models import User


class LoginRejected(ApiError):
    """Your credentials are correct, but this sign-in looks too unusual, so it was blocked."""

    status = 403
    code = "login_refused"
    event = events.Risk.REFUSED
    next = (
        "Sign in from a device and place you usually use, or contact the operator of this service."
    )


def assess_risk(attempt: LoginAttempt[object]) -> RiskAssessment:
    """Assess the risk of an authenticated user's login; no transaction may be open.

    Raises:
        CaptchaRequired: the policy requires one that was not solved; the assessment is recorded.
    """
    context, form = attempt.context, attempt.form
    assessment = engine.assess_login(
        engine.gather_context(attempt.user_id, context),
        failures_here=attempt.failures_here,
        failures_from_unknown_devices=attempt.failures_from_unknown_devices,
        breached=attempt.result and attempt.result.breached,
    )
    needs_captcha = assessment.requires_captcha and not attempt.captcha.solved
    if needs_captcha and isinstance(form, CaptchaLoginForm):
        try:
            captcha.verify_answer("login", form.captcha)
        except CaptchaRequired as error:
            error.on_rollback = partial(record_assessment, attempt.user_id, assessment, context)
            raise
    return assessment


def apply_decision(
    user: User, assessment: RiskAssessment, context: RequestContext, can_be_challenged: bool = False
) -> None:
    """Apply the decision, in the current transaction: reject the login, or record it and notify.

    The user is also notified if the policy requires a second factor, but the user has none and
    no e-mail fallback is available: rejecting the login would lock legitimate users out.

    Raises:
        LoginRejected: the policy rejects the login.
    """
    if assessment.decision is Decision.REFUSE:
        raise LoginRejected(user_id=user.id, **assessment.audit_details)
    record_assessment(user.id, assessment, context)
    unchallenged = assessment.requires_second_factor and not can_be_challenged
    if assessment.decision is Decision.NOTIFY or unchallenged:
        notifications.notify(user, "notice_new_device", {}, context)


def record_assessment(user_id: UUID, assessment: RiskAssessment, context: RequestContext) -> None:
    """Record the assessment of a login that it does not reject."""
    record(events.Risk.ASSESSED, context, user_id=user_id, **assessment.audit_details)
