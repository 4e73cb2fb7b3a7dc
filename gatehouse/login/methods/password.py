"""Login with an identifier and a password."""

from dataclasses import dataclass, field

from gatehouse.captcha.provider import captcha_field
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.lockout.errors import TooManyAttempts
from gatehouse.login.account_checks import AccountDisabled, EmailUnverified, PasswordCompromised
from gatehouse.login.method import (
    AuthenticationResult,
    CaptchaLoginForm,
    Login,
    LoginAttempt,
    LoginMethod,
    LoginRoute,
)
from gatehouse.login.risk import LoginRejected
from gatehouse.mfa.errors import MfaEnrolmentOverdue
from gatehouse.passwords import breached
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.users import password_check
from gatehouse.users.password_check import AttemptTarget
from gatehouse.web.fields import String, TypedString
from gatehouse.web.request_context import RequestContext


@dataclass(frozen=True, kw_only=True)
class PasswordLoginForm(CaptchaLoginForm):
    """An identifier and a password."""

    identifier: str
    password: str = field(repr=False)


class PasswordLogin(Login):
    """An identifier (e-mail address, username or phone number) and a password."""

    form_type = PasswordLoginForm

    identifier = TypedString(254, required=True, metadata={"example": "ann@example.com"})
    password = String(1024, required=True, one_line=False, load_only=True)
    captcha = captcha_field()


class PasswordMethod:
    """Look up the account and its hash in one statement, and hash once; known user or not."""

    schema: type[Login] = PasswordLogin
    route = LoginRoute(
        "Log in with a password; the response may ask for a second factor.",
        path="/login",
        operation_id="log_in",
        errors=(
            *(InvalidCredentials, TooManyAttempts, AccountDisabled, EmailUnverified),
            *(CaptchaRequired, PasswordCompromised, LoginRejected, MfaEnrolmentOverdue),
        ),
    )

    def identify(self, form: PasswordLoginForm, context: RequestContext) -> AttemptTarget:
        """Return the account of the identifier with its password, or the unknown identifier."""
        return password_check.find_by_identifier(form.identifier, context)

    def authenticate(self, attempt: LoginAttempt[PasswordLoginForm]) -> AuthenticationResult:
        """Verify the password, and look it up in the local list of breached ones.

        Only a correct password is looked up, so the response time of a wrong one reveals nothing.

        Raises:
            InvalidCredentials: the identifier is unknown, or the password is wrong.
        """
        target = attempt.target or AttemptTarget(attempt.form.identifier)
        verified = password_check.evaluate_password(target, attempt.form.password, attempt.context)
        return AuthenticationResult(
            target.user_id,
            ("pwd",),
            password_hash=verified.stored,
            rehashed=verified.rehashed,
            breached=breached.in_local_list(attempt.form.password),
        )


plugin: LoginMethod[PasswordLoginForm] = PasswordMethod()
