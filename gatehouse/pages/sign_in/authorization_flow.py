"""The next response of a pending authorization: to a page, or back to the application."""

from urllib.parse import urlsplit

from flask import Response

from gatehouse.database.session import end_transaction
from gatehouse.oauth import authorization, sealed_request
from gatehouse.oauth.authorization import Page, Situation
from gatehouse.oauth.authorization_response import (
    FORM_POST,
    AuthorizationResponse,
    code_response,
    error_response,
)
from gatehouse.oauth.errors import OAuthError
from gatehouse.pages.form_pages import render_form_page, see_other
from gatehouse.pages.sign_in.state import SignIn
from gatehouse.sessions.errors import SessionEnded
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.web.request_context import request_context

PATHS = {
    Page.REGISTRATION: "/register",
    Page.LOGIN: "/login",
    Page.ACCOUNT_CHOICE: "/auth/choose-account",
    Page.REAUTHENTICATION: "/auth/confirm",
    Page.STEP_UP: "/auth/confirm",
    Page.CONSENT: "/auth/consent",
}


def advance(sign_in: SignIn, ref: SessionRef | None, *, has_consented: bool = False) -> Response:
    """Send the user to the next page, or back to the application with a code or an error."""
    target = sign_in.pending.request.target
    try:
        return _decide(sign_in, ref, has_consented)
    except OAuthError as error:
        return send_back(error_response(target, error))


def _decide(sign_in: SignIn, ref: SessionRef | None, has_consented: bool) -> Response:
    session = authorization.find_session(ref)
    situation = Situation(sign_in.pending, sign_in.client, session, has_consented)
    page = authorization.decide(situation)
    if page or ref is None:
        counted = sealed_request.count_page(sign_in.pending)
        return see_other(f"{PATHS[page or Page.LOGIN]}?request={sealed_request.seal(counted)}")
    try:
        code = authorization.approve(situation, ref, request_context())
    except SessionEnded:  # after it was read: the user has to sign in again
        end_transaction()
        return _decide(sign_in, None, has_consented=False)
    return send_back(code_response(sign_in.pending.request.target, code))


def send_back(answer: AuthorizationResponse) -> Response:
    """Send the user back to the application: with a redirect, or with a form."""
    if answer.mode != FORM_POST:
        return see_other(answer.url)
    host = urlsplit(answer.redirect_uri).netloc
    variables = {"action": answer.redirect_uri, "fields": answer.parameters, "host": host}
    return render_form_page("form_post", variables, target=answer.redirect_uri)
