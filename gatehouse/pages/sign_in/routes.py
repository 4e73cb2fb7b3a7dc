"""The sign-in page: identifier and password, or a passkey where the browser has scripts.

Its form is sent below `/auth`, where the browser sends all cookies: the new session replaces the
one that the browser has. The login steps of the API open it.
"""

from functools import partial
from typing import cast

from flask import Response

from gatehouse.database.session import commits
from gatehouse.login import service as login
from gatehouse.login.method import LoginAttempt
from gatehouse.login.methods.password import PasswordLogin, PasswordLoginForm
from gatehouse.pages.form_pages import (
    FORM,
    create_blueprint,
    load_form,
    see_other,
    show_errors_with,
)
from gatehouse.pages.security_headers import link_to
from gatehouse.pages.sign_in.first_step import render_sign_in
from gatehouse.pages.sign_in.second_step import show_next_step
from gatehouse.pages.sign_in.state import current_url, find_browser_session, read_sign_in
from gatehouse.sessions.token_response import COOKIE, session_to_replace
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

sign_in_routes = create_blueprint("sign_in")


@sign_in_routes.get("/login")
@rate_limit("authorize")
@commits
def show_sign_in() -> Response:
    """Show the sign-in page, for an application or for one's own account."""
    sign_in = read_sign_in()
    if sign_in is None and find_browser_session():
        return see_other(current_url())
    return render_sign_in(sign_in)


@sign_in_routes.get("/auth/sign-in")
@sign_in_routes.get("/auth/sign-in/identifier")
def reload_sign_in() -> Response:
    """Show the sign-in page again to those who reload the answer to its form."""
    return see_other(link_to("/login"))


@sign_in_routes.post("/auth/sign-in/identifier")
@accepts(FORM)
@rate_limit("authorize")
@commits
def enter_identifier() -> Response:
    """Ask for the password; whether there is an account is not looked up."""
    return render_sign_in(read_sign_in())


@sign_in_routes.post("/auth/sign-in")
@accepts(FORM)
@rate_limit("login")
@commits
def sign_in_with_password() -> Response:
    """Sign in with a password; errors are shown on the form, with what was typed."""
    sign_in = read_sign_in()
    show_errors_with(partial(render_sign_in, sign_in))
    form = cast(PasswordLoginForm, load_form(PasswordLogin, transport=COOKIE))
    attempt = LoginAttempt(form, request_context(), COOKIE, session_to_replace(COOKIE))
    attempt.continuation = sign_in.continuation if sign_in else None
    return show_next_step(login.log_in("password", attempt), sign_in)
