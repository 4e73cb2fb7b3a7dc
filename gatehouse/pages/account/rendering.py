"""Render an account page: with its data, after an action, and with the errors of its form."""

from collections.abc import Callable, Mapping
from functools import partial
from uuid import UUID

from flask import Response, request

from gatehouse.core.errors import ApiError
from gatehouse.federation import registry
from gatehouse.pages.account import catalogue
from gatehouse.pages.account.done_sentences import DONE
from gatehouse.pages.account.field_sentences import describe_fields
from gatehouse.pages.error_sentences import describe_error
from gatehouse.pages.form_pages import render_form_page, see_other, show_errors_with
from gatehouse.pages.security_headers import gettext, prefer_languages
from gatehouse.sessions import csrf
from gatehouse.sessions.errors import InsufficientUserAuthentication, SessionEnded
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.users.errors import AccountDeleted

Variables = Mapping[str, object]
Describe = Callable[[AccessToken], Variables]
DESCRIPTIONS: dict[str, Describe] = {}
"""What each page shows of the caller's account, by the name of the page."""
SECRETS = ("password", "current_password", "code", "csrf_token")
"""Fields that are empty when a form is shown again."""


def entrance_url(name: str) -> str:
    """Return where a browser without a valid access cookie goes on to an account page."""
    done = done_code()
    return f"/auth/account/continue?page={name}" + (f"&done={done}" if done else "")


def confirm_url(name: str) -> str:
    """Return where users confirm that it is them before they see an account page."""
    return f"/auth/confirm?page={name}"


def done_code() -> str:
    """Return the code of the message about what was just done, one of a closed list, or ""."""
    given = request.args.get("done", "")
    return given if given in DONE else ""


def done_url(name: str, done: str) -> str:
    """Return an account page with the message that something is done."""
    return f"{catalogue.path_of(name)}?done={done}"


def render_page(
    name: str, caller: AccessToken, error: ApiError | None = None, **shown: object
) -> Response:
    """Render an account page in the language of its user."""
    user = users.require_user(UUID(caller.sub))
    prefer_languages(user.locale)
    errors = describe_fields(error)
    variables = {
        "page": name,
        "pages": _list_pages(name),
        "path_of": catalogue.path_of,
        "csrf_token": csrf.token(caller.sid),
        "user": user,
        "done": gettext(DONE[done]) if (done := done_code()) else "",
        "message": describe_error(error) if error and not errors else "",
        "errors": errors,
        "typed": {name: text for name, text in request.form.items() if name not in SECRETS},
        **DESCRIPTIONS[name](caller),
        **shown,
    }
    return render_form_page(f"account/{name}", variables)


def _list_pages(current: str) -> dict[str, str]:
    """Return the pages of the navigation; accounts of providers need a provider."""
    hidden = {"identities"} - {current} if not registry.list_providers() else set()
    return {name: title for name, title in catalogue.TITLES.items() if name not in hidden}


def show_errors_on(name: str, caller: AccessToken) -> None:
    """Show errors of this request on the page of its form; nothing typed is lost."""
    show_errors_with(partial(_render_error, name, caller))


def _render_error(name: str, caller: AccessToken, error: ApiError) -> Response:
    if isinstance(error, InsufficientUserAuthentication):
        return see_other(confirm_url(name))
    if isinstance(error, SessionEnded | AccountDeleted):
        return see_other(entrance_url(name))
    return render_page(name, caller, error)
