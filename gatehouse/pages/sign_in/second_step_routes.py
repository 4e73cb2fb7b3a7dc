"""The second step of a sign-in: codes of factors, and the enrolment that a policy requires."""

from functools import partial
from typing import cast

from flask import Response, request

from gatehouse.core.errors import ApiError
from gatehouse.database.session import commits
from gatehouse.login import second_step as login_steps
from gatehouse.login.service import LoginAnswer
from gatehouse.mfa import challenges, first_step
from gatehouse.mfa.challenges import ENROLMENT, LoginNotPending
from gatehouse.mfa.forms import (
    ConfirmationAtLogin,
    ConfirmationAtLoginForm,
    EnrolmentAtLogin,
    EnrolmentAtLoginForm,
    LoginChallengeRequest,
    LoginChallengeRequestForm,
    SecondFactorLogin,
    SecondFactorLoginForm,
)
from gatehouse.pages.error_sentences import describe_error
from gatehouse.pages.form_pages import (
    FORM,
    create_blueprint,
    load_form,
    render_form_page,
    see_other,
    show_errors_with,
)
from gatehouse.pages.security_headers import link_to
from gatehouse.pages.sign_in.first_step import render_sign_in
from gatehouse.pages.sign_in.second_step import (
    set_cookies,
    show_enrolment,
    show_next_step,
    show_second_step,
    to_image,
)
from gatehouse.pages.sign_in.state import SignIn, continue_url, current_url, read_sign_in
from gatehouse.sessions import request_credentials
from gatehouse.sessions.request_credentials import NOT_AUTHENTICATED
from gatehouse.sessions.token_pair import TokenPair
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

second_step_routes = create_blueprint("second_step")


@second_step_routes.get("/auth/sign-in/factor")
@second_step_routes.get("/auth/sign-in/code")
@second_step_routes.get("/auth/sign-in/enrolment")
@second_step_routes.get("/auth/sign-in/enrolment/code")
def reload_second_step() -> Response:
    """Begin again for those who reload the answer to a form: its token is in no URL."""
    return see_other(link_to("/login"))


@second_step_routes.post("/auth/sign-in/factor")
@accepts(FORM)
@rate_limit("factor")
@commits
def choose_factor() -> Response:
    """Choose a factor; its code is sent, if it is one of a message."""
    sign_in = _read_sign_in()
    form = cast(LoginChallengeRequestForm, load_form(LoginChallengeRequest))
    challenges.send_login_challenge(form.mfa_token, form.factor_id, request_context())
    return show_second_step(form.mfa_token, sign_in, chosen_id=str(form.factor_id))


@second_step_routes.post("/auth/sign-in/code")
@accepts(FORM)
@rate_limit("factor")
@commits
def enter_code() -> Response:
    """Complete the sign-in with the code of a factor."""
    sign_in = _read_sign_in()
    is_remembered = "remember_device" in request.form
    form = load_form(SecondFactorLogin, remember_device=is_remembered)
    answer = login_steps.complete_second_factor(
        cast(SecondFactorLoginForm, form), request_context()
    )
    return show_next_step(answer, sign_in)


@second_step_routes.post("/auth/sign-in/enrolment")
@accepts(FORM)
@rate_limit("factor")
@commits
def begin_enrolment() -> Response:
    """Begin to set up the factor that the policy requires."""
    sign_in = _read_sign_in(at_enrolment=True)
    form = cast(EnrolmentAtLoginForm, load_form(EnrolmentAtLogin))
    factor = login_steps.enrol_factor(form, request_context())
    kinds = _list_kinds(form.mfa_token)
    image = to_image(str(factor["qr_svg"])) if "qr_svg" in factor else ""
    return show_enrolment(form.mfa_token, kinds, sign_in, factor=factor, qr_image=image)


@second_step_routes.post("/auth/sign-in/enrolment/code")
@accepts(FORM)
@rate_limit("factor")
@commits
def complete_enrolment() -> Response:
    """Confirm the new factor with its first code; show the recovery codes."""
    sign_in = _read_sign_in(at_enrolment=True)
    form = cast(ConfirmationAtLoginForm, load_form(ConfirmationAtLogin))
    answer, codes = login_steps.complete_enrolment(form, request_context())
    return _show_recovery_codes(answer, codes, sign_in)


def _show_recovery_codes(answer: LoginAnswer, codes: list[str], sign_in: SignIn | None) -> Response:
    """Show the recovery codes, which are shown once, on a page that continues the sign-in."""
    if not codes or not isinstance(answer.result, TokenPair):
        return show_next_step(answer, sign_in)
    sealed = answer.continuation.value if answer.continuation else ""
    variables = {"codes": codes, "next_url": continue_url(sealed)}
    page = render_form_page("new_recovery_codes", variables)
    return set_cookies(page, answer.result)


def _read_sign_in(*, at_enrolment: bool = False) -> SignIn | None:
    """Return the sign-in; errors are shown on the page of the step that they happened in."""
    sign_in = read_sign_in()
    show_errors_with(partial(_show_error, sign_in, at_enrolment))
    return sign_in


def _show_error(sign_in: SignIn | None, at_enrolment: bool, error: ApiError) -> Response:
    """Show an error on the step's page; on the first page, if the login is not pending any more."""
    token, message = request.form.get("mfa_token", ""), describe_error(error)
    try:
        if at_enrolment:
            factor = {"id": request.form["factor_id"]} if "factor_id" in request.form else None
            kinds = _list_kinds(token)
            return show_enrolment(token, kinds, sign_in, factor=factor, message=message)
        chosen_id = request.form.get("factor_id", "")
        return show_second_step(token, sign_in, chosen_id=chosen_id, message=message)
    except LoginNotPending as over:
        return _continue_if_signed_in() or render_sign_in(sign_in, over)


def _continue_if_signed_in() -> Response | None:
    """Continue after a form that was sent twice: the first has completed the sign-in."""
    try:
        request_credentials.session_from_cookies()
    except NOT_AUTHENTICATED:
        return None
    return see_other(current_url())


def _list_kinds(mfa_token: str) -> list[str]:
    pending = challenges.find_pending(ENROLMENT, mfa_token)
    return first_step.eligible_kinds(pending.first_factor)
