"""Login with an identifier and a password."""

from typing import Any

from marshmallow import Schema

from gatehouse.captcha import service as captcha_service
from gatehouse.captcha.provider import captcha_field
from gatehouse.login.method import AuthenticationResult, CaptchaAnswer, LoginForm
from gatehouse.passwords import breached
from gatehouse.users import password_check
from gatehouse.web.fields import String
from gatehouse.web.request_context import RequestContext


class PasswordLogin(LoginForm):
    """An identifier (e-mail address, username or phone number) and a password."""

    identifier = String(254, required=True, metadata={"example": "ann@example.com"})
    password = String(1024, required=True, one_line=False, load_only=True)
    captcha = captcha_field()


class PasswordMethod:
    """Look up the account, release the database connection, and hash once; known user or not."""

    schema: type[Schema] = PasswordLogin

    def authenticate(self, form: dict[str, Any], context: RequestContext) -> AuthenticationResult:
        """Verify the password of an identifier, and look it up in the local list of breached ones.

        Only a correct password is looked up, so the response time of a wrong one reveals nothing.

        Raises:
            InvalidCredentials: the identifier is unknown, or the password is wrong.
            TooManyAttempts: too many attempts failed; unknown identifiers get this, too.
            CaptchaRequired: a CAPTCHA is needed; nothing was evaluated or counted as an attempt.
        """
        target = password_check.find_by_identifier(form["identifier"], context)
        captcha_check = captcha_service.check_login(
            target.subject, target.device_id, form.get("captcha"), context
        )
        verified = password_check.verify_password(target, form["password"], context)
        captcha_service.release_count(captcha_check)
        return AuthenticationResult(
            verified.user_id,
            ("pwd",),
            password_hash=verified.stored,
            rehashed=verified.rehashed,
            failures_here=verified.failures_here,
            failures_from_unknown_devices=verified.failures_from_unknown_devices,
            breached=breached.in_local_list(form["password"]),
            captcha=CaptchaAnswer(form.get("captcha"), captcha_check.solved),
        )


plugin = PasswordMethod()
