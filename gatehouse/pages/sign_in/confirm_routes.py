"""Reauthentication of a user who is signed in: an application asks for it, or an account page.

The session keeps its id and its applications (see `login.reauthentication`).
"""

from functools import partial
from typing import cast

from flask import Response, request

from gatehouse.core.errors import ApiError
from gatehouse.database.session import commits
from gatehouse.login import reauthentication
from gatehouse.mfa.forms import (
    ChallengeRequest,
    ChallengeRequestForm,
    Reauthentication,
    ReauthenticationForm,
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
from gatehouse.pages.sign_in.confirmation import find_missing_step, list_choices, read_purpose
from gatehouse.pages.sign_in.second_step import describe_choice, set_cookies
from gatehouse.pages.sign_in.state import (
    SignIn,
    current_url,
    describe_session,
    find_browser_session,
    require_browser_session,
)
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

confirm_routes = create_blueprint("confirm")


@confirm_routes.get("/auth/confirm")
@rate_limit("authorize")
@commits
def show_confirmation() -> Response:
    """Ask the user to authenticate again, or with a second factor."""
    sign_in, ref = read_purpose(), find_browser_session()
    if ref is None or find_missing_step(sign_in, ref) is None:
        return see_other(current_url())
    return _render(sign_in, ref)


@confirm_routes.post("/auth/confirm/factor")
@accepts(FORM)
@rate_limit("factor")
@commits
def choose_factor() -> Response:
    """Choose a factor; its code is sent, if it is one of a message."""
    sign_in, ref = read_purpose(), require_browser_session()
    if ref is None:
        return see_other(current_url())
    show_errors_with(partial(_render, sign_in, ref, ""))
    form = cast(ChallengeRequestForm, load_form(ChallengeRequest))
    reauthentication.send_challenge(ref, form.factor_id, request_context())
    return _render(sign_in, ref, str(form.factor_id))


@confirm_routes.post("/auth/confirm")
@accepts(FORM)
@rate_limit("login")
@commits
def confirm() -> Response:
    """Authenticate again, with the password or the code of a factor."""
    sign_in, ref = read_purpose(), require_browser_session()
    if ref is None:
        return see_other(current_url())
    show_errors_with(partial(_render, sign_in, ref, request.form.get("factor_id", "")))
    form = cast(ReauthenticationForm, load_form(Reauthentication))
    tokens = reauthentication.reauthenticate(ref, form, request_context())
    return set_cookies(see_other(current_url()), tokens)


def _render(
    sign_in: SignIn | None, ref: SessionRef, chosen_id: str = "", error: ApiError | None = None
) -> Response:
    choices = list_choices(sign_in, ref)
    variables = {
        **describe_session(ref),
        "client": sign_in.client if sign_in else None,
        **describe_choice(choices.factors, chosen_id, has_password=choices.has_password),
        "has_password": choices.has_password,
        "is_step_up": choices.is_step_up,
        "message": describe_error(error) if error else "",
        "next_url": current_url(),
    }
    return render_form_page("confirm_identity", variables, target=sign_in.target if sign_in else "")
