"""Decorators of the account pages: who may see a page, and who may send its form."""

from collections.abc import Callable
from functools import wraps
from typing import TypeAlias

from flask import Response, request

from gatehouse.pages.account.rendering import (
    DESCRIPTIONS,
    Describe,
    confirm_url,
    done_url,
    entrance_url,
    render_page,
    show_errors_on,
)
from gatehouse.pages.form_pages import see_other
from gatehouse.pages.sign_in.state import find_browser_session, require_browser_session
from gatehouse.sessions.browser_caller import describe_caller
from gatehouse.sessions.errors import InsufficientUserAuthentication
from gatehouse.sessions.guards import require_own_session
from gatehouse.tokens.service import AccessToken

Act: TypeAlias = Callable[..., str | Response]
Guard: TypeAlias = Callable[[AccessToken], None]
CONTINUED = "continued"
"""Says that the access cookie was just renewed: if it is missing again, it cannot be set."""


def shows(
    name: str, guard: Guard = require_own_session
) -> Callable[[Describe], Callable[[], Response]]:
    """Show an account page with what the function describes of the caller's account.

    Where `guard` of the page's forms demands a recent authentication or a level, the user confirms
    the identity before a form is shown: so nothing is typed in vain.
    """

    def decorate(describe: Describe) -> Callable[[], Response]:
        DESCRIPTIONS[name] = describe

        @wraps(describe)
        def view() -> Response:
            ref = find_browser_session()
            if ref is None:
                return see_other(_sign_in_url(name))
            caller = describe_caller(ref)
            if not _accepts(guard, caller):
                return see_other(confirm_url(name))
            return render_page(name, caller)

        return view

    return decorate


def submits(
    name: str, guard: Guard = require_own_session
) -> Callable[[Act], Callable[..., Response]]:
    """Take a form of an account page: require the session, its CSRF token, and what `guard` does.

    The function returns the code of the message that the page then shows, or a response.
    """

    def decorate(act: Act) -> Callable[..., Response]:
        @wraps(act)
        def view(**ids: object) -> Response:
            ref = require_browser_session()
            if ref is None:
                return see_other(entrance_url(name))
            caller = describe_caller(ref)
            show_errors_on(name, caller)
            require_own_session(caller)
            guard(caller)
            done = act(caller, **ids)
            return done if isinstance(done, Response) else see_other(done_url(name, done))

        return view

    return decorate


def _sign_in_url(name: str) -> str:
    return f"/login?page={name}" if CONTINUED in request.args else entrance_url(name)


def _accepts(guard: Guard, caller: AccessToken) -> bool:
    try:
        guard(caller)
    except InsufficientUserAuthentication:
        return False
    return True
