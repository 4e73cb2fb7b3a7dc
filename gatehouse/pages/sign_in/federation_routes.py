"""Sign-in with an identity provider in a browser: to the provider, and back from it.

The provider sends the user back with a redirect, or with a form that its page posts. A browser adds
no cookie to a form of another site, so such a form is answered by a page that repeats it from here.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, request

import config
from gatehouse.core import crypto
from gatehouse.core.errors import ApiError
from gatehouse.database.session import check_before_writes, commits, end_transaction
from gatehouse.federation import registry, requests, return_addresses
from gatehouse.federation.errors import FederationExpired
from gatehouse.federation.identity import AuthenticatedIdentity
from gatehouse.federation.plugin import CallbackForm
from gatehouse.federation.provider import Provider
from gatehouse.federation.requests import FederationRequest
from gatehouse.login import service as login
from gatehouse.login.method import LoginAttempt
from gatehouse.login.methods.federated import VerifiedLoginForm
from gatehouse.oauth import sealed_request
from gatehouse.oauth.authorization_validation import UnregisteredRedirectUri
from gatehouse.oauth.errors import InvalidRequest
from gatehouse.pages.account import catalogue
from gatehouse.pages.error_sentences import describe_error
from gatehouse.pages.form_pages import (
    FORM,
    create_blueprint,
    render_form_page,
    see_other,
    show_errors_with,
)
from gatehouse.pages.security_headers import sealed_request as sealed_parameter
from gatehouse.pages.sign_in.second_step import show_next_step
from gatehouse.pages.sign_in.state import open_sign_in
from gatehouse.sessions import live_session, request_credentials
from gatehouse.sessions.csrf import accepts_any_origin
from gatehouse.sessions.errors import SessionEnded
from gatehouse.sessions.request_credentials import NOT_AUTHENTICATED
from gatehouse.sessions.token_response import BODY, COOKIE, session_to_replace
from gatehouse.users import linked_identities
from gatehouse.web import cookies
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

federation_pages = create_blueprint("federation_pages")
REPEATED = "repeated"
"""Marks a form that our own page has repeated."""
CHALLENGE = re.compile(return_addresses.CHALLENGE_PATTERN)
IDENTITIES = catalogue.path_of("identities")


@federation_pages.get("/auth/federation/<name>")
@rate_limit("authorize")
@commits
def begin_federated_login(name: str) -> Response:
    """Send the browser to a provider."""
    provider = registry.get_provider(name)
    show_errors_with(partial(_show_error, FederationRequest(provider=name)))
    wanted = _read_request(provider)
    browser = cookies.get(cookies.FEDERATION) or crypto.random_token()
    response = see_other(requests.begin(provider, wanted, browser))
    lifetime = int(requests.LIFETIME.total_seconds())
    cookie = cookies.set_cookie_header(cookies.FEDERATION, browser, lifetime)
    response.headers.add("Set-Cookie", cookie)
    return response


@federation_pages.get("/auth/federation/<name>/callback")
@rate_limit("authorize")
@commits
def complete_by_redirect(name: str) -> Response:
    """Take the answer of a provider from the query."""
    return _complete(registry.get_provider(name), request.args)


@federation_pages.post("/auth/federation/<name>/callback")
@accepts(FORM)
@accepts_any_origin
@rate_limit("authorize")
@commits
def complete_by_form(name: str) -> Response:
    """Take the answer of a provider from a form, once our own page has repeated it."""
    provider = registry.get_provider(name)
    if REPEATED not in request.form:
        return _repeat_form(provider, CallbackForm.read(request.form))
    return _complete(provider, request.form)


def _read_request(provider: Provider) -> FederationRequest:
    """Return what the browser wants: a sign-in for a front end or on our pages, or a link.

    Raises:
        InvalidRequest, UnregisteredRedirectUri: the front end made a mistake.
        FederationExpired: the link to an account cannot begin any more.
        SignInExpired, UnknownClient: the sign-in of an application is not continued.
    """
    if token := request.args.get("link", ""):
        return requests.take_linking(provider, token)
    wanted = FederationRequest(
        provider=provider.name,
        return_to=request.args.get("return_to", ""),
        code_challenge=request.args.get("code_challenge", ""),
        transport=request.args.get("transport", BODY),
        sealed_request=sealed_parameter(),
    )
    if wanted.sealed_request:
        open_sign_in(sealed_request.unseal(wanted.sealed_request))
    if not wanted.return_to:
        return replace(wanted, code_challenge="", transport=COOKIE)
    if not return_addresses.is_allowed(wanted.return_to):
        raise UnregisteredRedirectUri
    if not CHALLENGE.match(wanted.code_challenge) or wanted.transport not in (BODY, COOKIE):
        raise InvalidRequest
    return wanted


def _repeat_form(provider: Provider, form: CallbackForm) -> Response:
    fields = {name: value for name, value in asdict(form).items() if value}
    variables = {
        "action": f"/auth/federation/{provider.name}/callback",
        "fields": {**fields, REPEATED: "1"},
        "host": urlsplit(config.settings().public_url).netloc,
    }
    return render_form_page("form_post", variables)


def _complete(provider: Provider, sent: Mapping[str, str]) -> Response:
    show_errors_with(partial(_show_error, FederationRequest(provider=provider.name)))
    form, browser = CallbackForm.read(sent), cookies.get(cookies.FEDERATION)
    wanted = requests.take(provider, form, browser)
    show_errors_with(partial(_show_error, wanted))
    identity = requests.authenticate(provider, wanted, form)
    if wanted.return_to:
        code = requests.create_code(wanted, identity, browser)
        return see_other(return_addresses.add_parameter(wanted.return_to, "federation_code", code))
    if wanted.user_id:
        return _link(wanted, identity)
    return _sign_in(wanted, identity)


def _sign_in(wanted: FederationRequest, identity: AuthenticatedIdentity) -> Response:
    """Sign the user in on our pages, for an application or for one's own account."""
    sealed = wanted.sealed_request
    sign_in = open_sign_in(sealed_request.unseal(sealed)) if sealed else None
    end_transaction()
    form = VerifiedLoginForm(transport=COOKIE, identity=identity)
    attempt = LoginAttempt(form, request_context(), COOKIE, session_to_replace(COOKIE))
    attempt.continuation = sign_in.continuation if sign_in else None
    return show_next_step(login.log_in("federated", attempt), sign_in)


def _link(wanted: FederationRequest, identity: AuthenticatedIdentity) -> Response:
    """Link an identity in the session that began; the browser must have its cookies."""
    try:
        ref = request_credentials.session_from_cookies()
    except (*NOT_AUTHENTICATED, SessionEnded):
        raise FederationExpired from None
    if (ref.sub, ref.sid) != (wanted.user_id, wanted.session_id):
        raise FederationExpired
    check_before_writes(partial(live_session.lock_live_session, ref))
    linked_identities.link_identity(UUID(ref.sub), identity, request_context())
    return see_other(f"{IDENTITIES}?done=identity-linked")


def _show_error(wanted: FederationRequest, error: ApiError) -> Response:
    """Send the user back to the front end with the error, or show what to do."""
    if wanted.return_to:
        return see_other(
            return_addresses.add_parameter(wanted.return_to, "federation_error", error.code)
        )
    sealed, linking = wanted.sealed_request, wanted.user_id is not None
    way_out = IDENTITIES if linking else f"/login?request={sealed}" if sealed else "/login"
    variables = {"message": describe_error(error), "way_out": way_out, "is_linking": linking}
    return render_form_page("federation_error", variables)
