"""Sign-in with a mailed link or its code: it works on the page that requested it.

The login token is in a hidden field of that page; the link, opened anywhere, shows the code.
"""

from typing import cast

from flask import Response, request

from gatehouse.database.session import commits
from gatehouse.login import service as login
from gatehouse.login.method import LoginAttempt
from gatehouse.login.methods import link
from gatehouse.login.methods.link import (
    LinkLogin,
    LinkLoginForm,
    LoginLinkRequest,
    LoginLinkRequestForm,
)
from gatehouse.pages.form_pages import (
    FORM,
    create_blueprint,
    load_form,
    see_other,
    show_errors_with,
)
from gatehouse.pages.security_headers import link_to
from gatehouse.pages.sign_in.second_step import show_next_step
from gatehouse.pages.sign_in.state import SignIn, read_sign_in
from gatehouse.pages.sign_in.step_page import StepPage, page_context
from gatehouse.sessions.token_response import COOKIE, session_to_replace
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

login_link_routes = create_blueprint("login_link")


@login_link_routes.get("/login/link")
@rate_limit("authorize")
@commits
def show_login_link() -> Response:
    """Ask for the e-mail address that gets the link."""
    return StepPage("request_login_link", read_sign_in()).render()


@login_link_routes.post("/login/link")
@accepts(FORM)
@rate_limit("link")
@commits
def request_login_link() -> Response:
    """Send a link and a code, if there is an account, and ask for the code."""
    sign_in = read_sign_in()
    show_errors_with(StepPage("request_login_link", sign_in).render)
    form = cast(LoginLinkRequestForm, load_form(LoginLinkRequest))
    continuation = sign_in.continuation if sign_in else None
    login_token = link.plugin.send_link(form.recipient, page_context(), continuation)
    return _code_page(sign_in, login_token).render()


@login_link_routes.get("/auth/sign-in/link")
def reload_login_code() -> Response:
    """Begin again for those who reload the answer to a form: its token is in no URL."""
    return see_other(link_to("/login/link"))


@login_link_routes.post("/auth/sign-in/link")
@accepts(FORM)
@rate_limit("login")
@commits
def sign_in_with_code() -> Response:
    """Sign in with the code of the message."""
    sign_in = read_sign_in()
    show_errors_with(_code_page(sign_in, request.form.get("login_token", "")).render)
    form = cast(LinkLoginForm, load_form(LinkLogin, transport=COOKIE))
    attempt = LoginAttempt(form, request_context(), COOKIE, session_to_replace(COOKIE))
    return show_next_step(login.log_in("link", attempt), sign_in)


def _code_page(sign_in: SignIn | None, login_token: str) -> StepPage:
    return StepPage("login_link_code", sign_in, {"login_token": login_token})
