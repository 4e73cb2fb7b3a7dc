"""Password reset on pages: request a code, then set a new password with it.

The page that asks for the code can be opened by itself: on another device, or after a restart of
the browser. It asks for the e-mail address then, too.
"""

from typing import cast

from flask import Response, request

from gatehouse.account import password_reset
from gatehouse.account.forms import (
    PasswordReset,
    PasswordResetForm,
    PasswordResetRequest,
    RecoveryRequestForm,
)
from gatehouse.captcha import service as captcha
from gatehouse.core.i18n import gettext_noop
from gatehouse.database.session import commits
from gatehouse.pages.form_pages import FORM, create_blueprint, load_form, show_errors_with
from gatehouse.pages.security_headers import gettext
from gatehouse.pages.sign_in.first_step import render_sign_in
from gatehouse.pages.sign_in.state import SignIn, read_sign_in
from gatehouse.pages.sign_in.step_page import StepPage, page_context
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_validation import accepts

password_reset_routes = create_blueprint("password_reset")
NEW_PASSWORD_SET = gettext_noop("Your new password is set. You can sign in with it now.")


@password_reset_routes.get("/forgot-password")
@rate_limit("authorize")
@commits
def show_forgot_password() -> Response:
    """Ask for the e-mail address of the account."""
    return _first_page(read_sign_in()).render()


@password_reset_routes.post("/forgot-password")
@accepts(FORM)
@rate_limit("forgot")
@commits
def request_reset() -> Response:
    """Send a code, if there is an account, and ask for it."""
    sign_in = read_sign_in()
    show_errors_with(_first_page(sign_in).render)
    form = cast(RecoveryRequestForm, load_form(PasswordResetRequest))
    captcha.check_request("forgot", form.captcha, page_context())
    password_reset.request_reset(form.recipient, page_context())
    return StepPage("forgot_password_code", sign_in, {"is_sent": True}).render()


@password_reset_routes.get("/forgot-password/code")
@rate_limit("authorize")
@commits
def show_reset_code() -> Response:
    """Ask for the code and a new password."""
    return StepPage("forgot_password_code", read_sign_in()).render()


@password_reset_routes.post("/forgot-password/code")
@accepts(FORM)
@rate_limit("reset")
@commits
def set_password() -> Response:
    """Set a new password, and show the sign-in page."""
    sign_in = read_sign_in()
    is_sent = "is_sent" in request.form
    show_errors_with(StepPage("forgot_password_code", sign_in, {"is_sent": is_sent}).render)
    form = cast(PasswordResetForm, load_form(PasswordReset))
    password_reset.reset_password(form, page_context())
    identifier = form.recipient.as_written if form.recipient else ""
    return render_sign_in(sign_in, notice=gettext(NEW_PASSWORD_SET), identifier=identifier)


def _first_page(sign_in: SignIn | None) -> StepPage:
    return StepPage("forgot_password", sign_in, captcha_action="forgot")
