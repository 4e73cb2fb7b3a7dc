"""The way into the account pages, with the refresh cookie or through the sign-in, and out."""

from functools import partial
from uuid import UUID

from flask import Response

from gatehouse.core.errors import ApiError
from gatehouse.database.session import commits
from gatehouse.pages.account import catalogue
from gatehouse.pages.account.guards import CONTINUED
from gatehouse.pages.account.rendering import done_code
from gatehouse.pages.form_pages import (
    FORM,
    create_blueprint,
    render_error_page,
    see_other,
    show_errors_with,
)
from gatehouse.pages.security_headers import account_page
from gatehouse.pages.sign_in.second_step import set_cookies
from gatehouse.pages.sign_in.state import require_browser_session
from gatehouse.sessions import guards, logout
from gatehouse.sessions.errors import RefreshTokenReused, SessionEnded
from gatehouse.sessions.refresh import refresh
from gatehouse.sessions.request_credentials import NOT_AUTHENTICATED
from gatehouse.sessions.token_response import clear_cookies_headers
from gatehouse.tokens.service import AccessToken
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

entrance_routes = create_blueprint("account_entrance")
SIGNED_OUT = (*NOT_AUTHENTICATED, SessionEnded, RefreshTokenReused)


@entrance_routes.get("/auth/account/continue")
@rate_limit("refresh")
@commits
def continue_to_page() -> Response:
    """Renew the access cookie, as /auth/refresh does, or lead to the sign-in; then to the page."""
    name = account_page() or catalogue.OVERVIEW
    show_errors_with(partial(_show_sign_in, name))
    ref = guards.current_browser_session()
    if isinstance(ref, AccessToken):
        return see_other(catalogue.path_of(name))
    tokens = refresh(guards.refresh_cookie(), request_context())
    done = f"&done={done_code()}" if done_code() else ""
    return set_cookies(see_other(f"{catalogue.path_of(name)}?{CONTINUED}=1{done}"), tokens)


@entrance_routes.get("/auth/account/<name>")
@entrance_routes.get("/auth/account/<name>/<path:_rest>")
def reload_page(name: str, _rest: str = "") -> Response:
    """Show the page of a form to those who reload the answer to it."""
    return see_other(catalogue.path_of(name if name in catalogue.TITLES else catalogue.OVERVIEW))


@entrance_routes.post("/auth/account/sign-out")
@accepts(FORM)
@rate_limit("logout")
@commits
def sign_out() -> Response:
    """End the session of this browser, and lead to the sign-in."""
    ref = require_browser_session()
    if ref:
        logout.end_one_session(UUID(ref.sid), "logout", request_context())
    page = account_page()
    response = see_other(f"/login?page={page}" if page else "/login")
    response.headers.extend(clear_cookies_headers())
    return response


def _show_sign_in(name: str, error: ApiError) -> Response:
    is_signed_out = isinstance(error, SIGNED_OUT)
    return see_other(f"/login?page={name}") if is_signed_out else render_error_page(error)
