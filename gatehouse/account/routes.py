"""Routes for passwords, e-mail and phone changes, password reset and MFA recovery."""

from marshmallow import fields

from gatehouse.account import (
    email_change,
    email_change_revert,
    forms,
    mfa_recovery,
    password_change,
    password_reset,
    phone_number,
    registration,
)
from gatehouse.account.errors import (
    EmailRevertFailed,
    MfaRecoveryFailed,
    MfaRecoveryPasswordWrong,
    PasswordResetFailed,
    PhoneTaken,
    PhoneVerificationFailed,
    ProofsNotIndependent,
)
from gatehouse.account.password_change import CurrentPasswordWrong
from gatehouse.captcha import service as captcha
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.lockout.errors import TooManyAttempts
from gatehouse.mfa import assurance_level
from gatehouse.mfa.errors import FactorUnavailable, FactorVerificationFailed
from gatehouse.sessions.errors import InsufficientUserAuthentication
from gatehouse.sessions.guards import recently_signed_in, signed_in
from gatehouse.tokens.service import AccessToken
from gatehouse.web.idempotency import idempotent
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import accepts_device_token
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import Status, Timestamp

routes = Blueprint("account", __name__, url_prefix="/auth", description="My account")
SENT = {"status": "sent"}
"""The response body even if no message was sent, so that it reveals nothing."""


@routes.post("/password/change")
@rate_limit("login")
@signed_in
@routes.arguments(forms.PasswordChange)
@routes.response(204)
@routes.errors(CurrentPasswordWrong, TooManyAttempts, InsufficientUserAuthentication)
def change_password(caller: AccessToken, form: forms.PasswordChangeForm) -> None:
    """Change my password; my other sessions end.

    If I have a second factor, I must have used it in the last ten minutes.
    """
    assurance_level.require_second_factor_if_enrolled(caller)
    password_change.change_password(caller, form.current_password, form.password, request_context())


@routes.post("/password/forgot")
@rate_limit("forgot")
@routes.arguments(forms.PasswordResetRequest)
@idempotent()
@routes.response(202, Status)
@routes.errors(CaptchaRequired)
@accepts_device_token
def request_password_reset(form: forms.RecoveryRequestForm) -> dict[str, str]:
    """Request a password reset by `email`, or by a verified `phone` number.

    The response is the same whether or not there is an account.
    """
    captcha.check_request("forgot", form.captcha, request_context())
    password_reset.request_reset(form.recipient, request_context())
    return SENT


@routes.post("/password/reset")
@rate_limit("reset")
@routes.arguments(forms.PasswordReset)
@routes.response(204)
@routes.errors(PasswordResetFailed, TooManyAttempts)
def reset_password(form: forms.PasswordResetForm) -> None:
    """Set a new password with the `token`, or with the `code` and the e-mail address or number.

    All sessions end, no new session is opened, and second factors stay.
    """
    password_reset.reset_password(form, request_context())


@routes.post("/email/resend")
@rate_limit("resend")
@routes.arguments(forms.VerificationResendRequest)
@idempotent()
@routes.response(202, Status)
def resend_verification_email(form: forms.EmailForm) -> dict[str, str]:
    """Send the e-mail of a pending sign-up again; its previous code and link are void."""
    registration.resend(form.email, request_context())
    return SENT


@routes.post("/email/change")
@rate_limit("change")
@recently_signed_in
@routes.arguments(forms.EmailChange)
@routes.response(202, Status)
def change_email(caller: AccessToken, form: forms.EmailForm) -> dict[str, str]:
    """Change my e-mail address; the change applies once I verify it at /auth/email/verify.

    The old address is notified, and can revert the change for 72 hours.
    """
    assurance_level.require_max_assurance_level(caller)
    email_change.request_email_change(caller, form.email, request_context())
    return SENT


@routes.post("/email/undo")
@rate_limit("verify")
@routes.arguments(forms.EmailChangeRevert)
@routes.response(204)
@routes.errors(EmailRevertFailed)
def revert_email_change(form: forms.EmailChangeRevertForm) -> None:
    """Revert a change of my e-mail address with the link that was sent to the old address.

    All sessions end, and the password is deleted: I set a new one by password reset.
    """
    email_change_revert.revert_email_change(form.token, request_context())


@routes.post("/phone")
@rate_limit("change")
@recently_signed_in
@routes.arguments(forms.PhoneChange)
@routes.response(202, Status)
def change_phone(caller: AccessToken, form: forms.PhoneChangeForm) -> dict[str, str]:
    """Send a code by SMS to verify my new phone number."""
    assurance_level.require_max_assurance_level(caller)
    phone_number.send_code(caller, form.phone, request_context())
    return SENT


@routes.post("/phone/verify")
@rate_limit("verify")
@recently_signed_in
@routes.arguments(forms.PhoneVerification)
@routes.response(200, Status)
@routes.errors(PhoneVerificationFailed, PhoneTaken, TooManyAttempts)
def verify_phone(caller: AccessToken, form: forms.PhoneVerificationForm) -> dict[str, str]:
    """Verify my new phone number with the code; my old number is notified."""
    assurance_level.require_max_assurance_level(caller)
    phone_number.verify_phone(caller, form.phone, form.code, request_context())
    return {"status": "verified"}


@routes.delete("/phone")
@rate_limit("change")
@recently_signed_in
@routes.response(204)
def remove_phone(caller: AccessToken) -> None:
    """Remove my phone number."""
    assurance_level.require_max_assurance_level(caller)
    phone_number.remove_phone(caller, request_context())


class MfaRecoveryResponse(Status):
    """The token that the requested code works with."""

    recovery_token = fields.String(required=True)


class MfaResetScheduled(Status):
    """When all second factors will be reset, unless the user cancels that."""

    due_at = Timestamp(required=True, metadata={"type": "string", "format": "date-time"})


@routes.post("/mfa/recovery")
@rate_limit("forgot")
@routes.arguments(forms.MfaRecoveryRequest)
@idempotent("recovery_token")
@routes.response(202, MfaRecoveryResponse)
@routes.errors(CaptchaRequired)
@accepts_device_token
def request_mfa_recovery(form: forms.RecoveryRequestForm) -> dict[str, str]:
    """Request a code to recover from a lost second factor.

    The response is the same whether or not there is an account.
    """
    captcha.check_request("forgot", form.captcha, request_context())
    return SENT | {"recovery_token": mfa_recovery.send_code(form.recipient, request_context())}


@routes.post("/mfa/recovery/verify")
@rate_limit("login")
@routes.arguments(forms.MfaRecoveryProof)
@routes.response(200, MfaResetScheduled)
@routes.errors(
    MfaRecoveryFailed, MfaRecoveryPasswordWrong, FactorVerificationFailed, FactorUnavailable
)
@routes.errors(ProofsNotIndependent, TooManyAttempts)
def confirm_mfa_recovery(form: forms.MfaRecoveryProofForm) -> dict[str, object]:
    """Schedule the reset of all my second factors, with the code and my password or recovery code.

    All addresses of the account are notified, and each can cancel it until then. No session is
    opened.
    """
    due_at = mfa_recovery.confirm_recovery(form, request_context())
    return {"status": "announced", "due_at": due_at}
