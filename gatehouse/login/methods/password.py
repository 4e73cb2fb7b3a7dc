"""Identifier and password."""

from typing import Any

from marshmallow import Schema

from gatehouse.captcha import service as robots
from gatehouse.captcha.provider import captcha_field
from gatehouse.login.method import Captcha, LoginForm, Proof
from gatehouse.passwords import breached
from gatehouse.users import password_check as password
from gatehouse.web.fields import Text
from gatehouse.web.request_context import Visitor


class PasswordLogin(LoginForm):
    """An identifier (e-mail address, username or phone number) and a password."""

    identifier = Text(254, required=True, metadata={"example": "ann@example.com"})
    password = Text(1024, required=True, one_line=False, load_only=True)
    captcha = captcha_field()


class PasswordMethod:
    """Looks the account up, lets the database go, then hashes: known or not, always once."""

    schema: type[Schema] = PasswordLogin

    def prove(self, form: dict[str, Any], visitor: Visitor) -> Proof:
        """Return whose password it is, and whether the operator's file of stolen ones has it.

        Only a right password is looked up there: nothing is told of others, not even by its time.

        Raises:
            InvalidCredentials: nobody's, or not this one's; which of the two is never told.
            TooManyAttempts: after too many of those; whose is never told either.
            CaptchaRequired: before that, and before anything is evaluated or counted as a guess.
        """
        claimed = password.claim(form["identifier"], visitor)
        admission = robots.admit(claimed.whom, claimed.device_id, form.get("captcha"), visitor)
        verified = password.verify(claimed, form["password"], visitor)
        robots.succeeded(admission)
        return Proof(
            verified.user_id,
            ("pwd",),
            password=verified.stored,
            fresh=verified.fresh,
            failures=verified.failures,
            strangers=verified.strangers,
            breached=breached.stands_in_file(form["password"]),
            captcha=Captcha(form.get("captcha"), admission.solved),
        )


piece = PasswordMethod()
