"""Reauthentication of a user who is signed in: because the application asks for it, or step-up.

The session keeps its id and its applications (see `login.reauthentication`).
"""

from functools import partial
from typing import cast
from uuid import UUID

from flask import Response, request

from gatehouse.core.errors import ApiError
from gatehouse.database.session import commits
from gatehouse.login import reauthentication
from gatehouse.mfa import credential_store, registry
from gatehouse.mfa.forms import (
    ChallengeRequest,
    ChallengeRequestForm,
    Reauthentication,
    ReauthenticationForm,
)
from gatehouse.oauth import authorization
from gatehouse.oauth.authorization import Page, Situation
from gatehouse.pages.error_sentences import describe_error
from gatehouse.pages.form_pages import (
    FORM,
    create_blueprint,
    load_form,
    render_form_page,
    see_other,
    show_errors_with,
)
from gatehouse.pages.security_headers import sealed_request
from gatehouse.pages.sign_in.second_step import describe_choice, set_cookies
from gatehouse.pages.sign_in.state import (
    SignIn,
    current_url,
    describe_session,
    find_browser_session,
    require_browser_session,
    require_sign_in,
)
from gatehouse.passwords import service as passwords
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts
from models import Credential

confirm_routes = create_blueprint("confirm")


@confirm_routes.get("/auth/confirm")
@rate_limit("authorize")
@commits
def show_confirmation() -> Response:
    """Ask the user to authenticate again, or with a second factor."""
    sign_in, ref = require_sign_in(), find_browser_session()
    if ref is None or not _is_needed(sign_in, ref):
        return see_other(current_url())
    return _render(sign_in, ref)


@confirm_routes.post("/auth/confirm/factor")
@accepts(FORM)
@rate_limit("factor")
@commits
def choose_factor() -> Response:
    """Choose a factor; its code is sent, if it is one of a message."""
    sign_in, ref = require_sign_in(), require_browser_session()
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
    sign_in, ref = require_sign_in(), require_browser_session()
    if ref is None:
        return see_other(current_url())
    show_errors_with(partial(_render, sign_in, ref, request.form.get("factor_id", "")))
    form = cast(ReauthenticationForm, load_form(Reauthentication))
    tokens = reauthentication.reauthenticate(ref, form, request_context())
    return set_cookies(see_other(current_url()), tokens)


def _is_needed(sign_in: SignIn, ref: SessionRef) -> bool:
    """Return whether the user still has to authenticate; not after pressing Back, for example."""
    situation = Situation(sign_in.pending, sign_in.client, authorization.find_session(ref))
    return authorization.find_confirmation(situation) is not None


def _render(
    sign_in: SignIn, ref: SessionRef, chosen_id: str = "", error: ApiError | None = None
) -> Response:
    situation = Situation(sign_in.pending, sign_in.client, authorization.find_session(ref))
    is_step_up = authorization.find_confirmation(situation) is not Page.REAUTHENTICATION
    rows = _list_factors(UUID(ref.sub), strong_only=is_step_up)
    has_password = not is_step_up and passwords.get(UUID(ref.sub)) is not None
    variables = {
        **describe_session(ref),
        "client": sign_in.client,
        "sealed": sealed_request(),
        **describe_choice(rows, chosen_id, has_password=has_password),
        "has_password": has_password,
        "is_step_up": is_step_up,
        "message": describe_error(error) if error else "",
        "next_url": current_url(),
    }
    return render_form_page("confirm_identity", variables, target=sign_in.target)


def _list_factors(user_id: UUID, *, strong_only: bool) -> list[Credential]:
    rows = credential_store.list_confirmed(user_id)
    enabled = [row for row in rows if row.kind in registry.enabled_factors()]
    return [row for row in enabled if registry.get_factor(row.kind).strong or not strong_only]
