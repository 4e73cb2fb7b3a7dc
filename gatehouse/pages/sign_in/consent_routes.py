"""The pages on which a user chooses an account, and allows an application what it asks for."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Response, request

from gatehouse.database.session import commits
from gatehouse.oauth import scopes
from gatehouse.oauth.authorization_response import error_response
from gatehouse.oauth.errors import AccessDenied
from gatehouse.oauth.resources import find_resource
from gatehouse.pages.form_pages import FORM, create_blueprint, render_form_page, see_other
from gatehouse.pages.security_headers import gettext, link_to, sealed_request
from gatehouse.pages.sign_in.authorization_flow import advance, send_back
from gatehouse.pages.sign_in.state import (
    SignIn,
    current_url,
    describe_session,
    find_browser_session,
    open_sign_in,
    require_browser_session,
    require_sign_in,
)
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_validation import accepts
from models import OAuthClient

ACCEPT, DECISION = "accept", "decision"
consent_routes = create_blueprint("consent")


@consent_routes.get("/consent")
def find_consent() -> Response:
    """Redirect to the consent page below `/auth`, where browsers send all cookies."""
    return see_other(link_to("/auth/consent"))


@consent_routes.get("/auth/consent")
@rate_limit("authorize")
@commits
def show_consent() -> Response:
    """Ask the user whether the application may do what it asks for."""
    sign_in, ref = require_sign_in(), find_browser_session()
    if ref is None:
        return see_other(current_url())
    variables = {
        **describe_session(ref),
        "sealed": sealed_request(),
        "sentences": _list_sentences(sign_in),
        "days": _count_days(sign_in.client),
        "is_offline": scopes.OFFLINE_ACCESS in sign_in.pending.request.scopes,
        "host": _host_of(sign_in.target),
        "client": sign_in.client,
    }
    return render_form_page("consent", variables, target=sign_in.target)


@consent_routes.post("/auth/consent")
@accepts(FORM)
@rate_limit("authorize")
@commits
def decide_consent() -> Response:
    """Take the user's decision back to the application."""
    sign_in, ref = require_sign_in(), require_browser_session()
    if ref is None:
        return see_other(current_url())
    if request.form.get(DECISION) != ACCEPT:
        return send_back(error_response(sign_in.pending.request.target, AccessDenied()))
    return advance(sign_in, ref, has_consented=True)


@consent_routes.get("/auth/choose-account")
@rate_limit("authorize")
@commits
def show_accounts() -> Response:
    """Let the user choose between the account that is signed in and another one."""
    sign_in, ref = require_sign_in(), find_browser_session()
    if ref is None:
        return see_other(current_url())
    variables = {**describe_session(ref), "sealed": sealed_request(), "client": sign_in.client}
    return render_form_page("choose_account", variables, target=sign_in.target)


@consent_routes.post("/auth/choose-account")
@accepts(FORM)
@rate_limit("authorize")
@commits
def choose_account() -> Response:
    """Continue with the account that is signed in."""
    sign_in, ref = require_sign_in(), require_browser_session()
    if ref is None:
        return see_other(current_url())
    return advance(_with_chosen_user(sign_in, ref), ref)


def _with_chosen_user(sign_in: SignIn, ref: SessionRef) -> SignIn:
    return open_sign_in(replace(sign_in.pending, chosen_user=ref.sub))


def _list_sentences(sign_in: SignIn) -> list[str]:
    """Return what the application asks for, in words."""
    asked = sign_in.pending.request
    resources = [found for name in asked.resources if (found := find_resource(name))]
    own = [gettext(scopes.SENTENCES[name]) for name in asked.scopes if name in scopes.SENTENCES]
    others = [
        f"{resource.name}: {resource.scopes[name]}"
        for resource in resources
        for name in asked.scopes
        if name in resource.scopes
    ]
    return own + others


def _count_days(client: OAuthClient) -> str:
    return str(max(1, timedelta(seconds=client.grant_lifetime).days))


def _host_of(uri: str) -> str:
    """Return what a user recognises of an address: its host, or the scheme of an application."""
    parts = urlsplit(uri)
    return parts.netloc or f"{parts.scheme}:"
