"""Registration on pages: the form, and the code of the e-mail that confirms the address.

The registration token is in a hidden field of the page that asks for the code. Without it, as on
another device or after a restart of the browser, the code works together with the password.
"""

from typing import cast

from flask import Response, request

from gatehouse.account import email_verification, registration
from gatehouse.account.forms import (
    EmailForm,
    RegistrationForm,
    RegistrationRequest,
    VerificationResendRequest,
)
from gatehouse.captcha import service as captcha
from gatehouse.core.errors import reject_field
from gatehouse.core.i18n import gettext_noop
from gatehouse.database.session import commits
from gatehouse.pages.form_pages import FORM, create_blueprint, load_form, show_errors_with
from gatehouse.pages.security_headers import gettext
from gatehouse.pages.sign_in.first_step import render_sign_in
from gatehouse.pages.sign_in.state import SignIn, read_sign_in
from gatehouse.pages.sign_in.step_page import StepPage, page_context
from gatehouse.users.forms import VerifyEmail, VerifyEmailForm
from gatehouse.users.identifiers import Email
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_validation import accepts

registration_routes = create_blueprint("registration")
CONFIRMED = gettext_noop("Your e-mail address is confirmed. You can sign in now.")
SENT_IF_PENDING = gettext_noop(
    "If you have begun to create an account with this e-mail address, you will receive an e-mail"
    " with a new link. If you get none, create the account again, or sign in if you have confirmed"
    " the address already."
)
SENT_AGAIN = gettext_noop("We have sent the e-mail again. Only the newest code works.")


@registration_routes.get("/register")
@rate_limit("authorize")
@commits
def show_registration() -> Response:
    """Show the form that creates an account, or who may create one here."""
    return _first_page(read_sign_in()).render()


@registration_routes.post("/register")
@accepts(FORM)
@rate_limit("register")
@commits
def register() -> Response:
    """Register with a password, and ask for the code of the e-mail."""
    sign_in = read_sign_in()
    show_errors_with(_first_page(sign_in).render)
    form = cast(RegistrationForm, load_form(RegistrationRequest))
    captcha.check_request("register", form.captcha, page_context())
    token = registration.request_account(form, page_context())
    return _code_page(sign_in, token).render()


@registration_routes.get("/register/code")
@registration_routes.get("/register/resend")
@rate_limit("authorize")
@commits
def show_registration_code() -> Response:
    """Ask for address, code and password, for those whose browser has lost the page before."""
    return _code_page(read_sign_in()).render()


@registration_routes.post("/register/code")
@accepts(FORM)
@rate_limit("verify")
@commits
def confirm_registration() -> Response:
    """Confirm the e-mail address, and show the sign-in page."""
    sign_in = read_sign_in()
    show_errors_with(_code_page(sign_in, request.form.get("registration_token", "")).render)
    email = _verify_code(cast(VerifyEmailForm, load_form(VerifyEmail)))
    return render_sign_in(sign_in, notice=gettext(CONFIRMED), identifier=email.as_written)


@registration_routes.post("/register/resend")
@accepts(FORM)
@rate_limit("resend")
@commits
def resend_code() -> Response:
    """Send the e-mail of a pending registration again."""
    page = _code_page(read_sign_in(), request.form.get("registration_token", ""))
    show_errors_with(page.render)
    form = cast(EmailForm, load_form(VerificationResendRequest))
    registration.resend(form.email, page_context())
    sentence = SENT_AGAIN if request.form.get("registration_token") else SENT_IF_PENDING
    return page.render(notice=gettext(sentence))


def _verify_code(form: VerifyEmailForm) -> Email:
    """Verify the code with the registration token, or with the password; return the address.

    Raises:
        ValidationFailed: neither is in the form.
    """
    if form.email is None or not (form.registration_token or form.password):
        reject_field("password", "required", "This field is required.")
    context, token = page_context(), form.registration_token
    if token:
        email_verification.verify_with_token(form.email, form.code, token, context)
    else:
        password = form.password or ""
        email_verification.verify_with_password(form.email, form.code, password, context)
    return form.email


def _code_page(sign_in: SignIn | None, registration_token: str = "") -> StepPage:
    return StepPage("register_code", sign_in, {"registration_token": registration_token})


def _first_page(sign_in: SignIn | None) -> StepPage:
    return StepPage("register", sign_in, captcha_action="register")
