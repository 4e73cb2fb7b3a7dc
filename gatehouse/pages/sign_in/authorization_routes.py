"""The authorization endpoint (RFC 6749 section 3.1), and where its pages come back to."""

from flask import Response, request

from gatehouse.database.session import commits
from gatehouse.oauth import authorization_request, authorization_validation, sealed_request
from gatehouse.oauth.authorization_request import RESOURCE, SentParameters
from gatehouse.oauth.authorization_response import error_response
from gatehouse.oauth.errors import OAuthError
from gatehouse.pages.form_pages import FORM, create_blueprint, see_other
from gatehouse.pages.sign_in.authorization_flow import advance, send_back
from gatehouse.pages.sign_in.state import (
    continue_url,
    find_browser_session,
    open_sign_in,
    require_sign_in,
)
from gatehouse.sessions.csrf import accepts_any_origin
from gatehouse.sessions.request_credentials import NOT_AUTHENTICATED, access_cookie
from gatehouse.tokens.service import AccessToken
from gatehouse.web import cookies
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_validation import accepts, accepts_repeated

authorization_routes = create_blueprint("authorization")


@authorization_routes.get("/oauth2/authorize")
@accepts_repeated(RESOURCE)
@rate_limit("authorize")
@commits
def authorize() -> Response:
    """Begin an authorization: send the user to a page, or back to the application."""
    return _begin(request.args)


@authorization_routes.post("/oauth2/authorize")
@accepts(FORM)
@accepts_any_origin
@rate_limit("authorize")
@commits
def authorize_by_post() -> Response:
    """Begin an authorization whose parameters are in a form (OpenID Connect Core 3.1.2.1)."""
    return _begin(request.form)


@authorization_routes.get("/auth/authorize")
@rate_limit("authorize")
@commits
def continue_authorization() -> Response:
    """Continue an authorization, with all cookies of the browser."""
    return advance(require_sign_in(), find_browser_session())


def _begin(sent: SentParameters) -> Response:
    """Validate the request; errors of the client go to it, once it is known who that is."""
    parameters = authorization_request.parse(sent)
    client, target = authorization_validation.find_recipient(parameters)
    try:
        valid = authorization_validation.validate(parameters, client, target)
    except OAuthError as error:
        return send_back(error_response(target, error))
    pending = sealed_request.begin(valid)
    if _has_other_cookies():
        return see_other(continue_url(sealed_request.seal(pending)))
    return advance(open_sign_in(pending), _find_access_cookie())


def _has_other_cookies() -> bool:
    """Return whether the session may be in cookies that are sent below /auth only.

    A form of another site is sent without any cookie (SameSite=Lax); the redirect brings them.
    """
    if request.method == "POST":
        return True
    return _find_access_cookie() is None and bool(cookies.get(cookies.CSRF))


def _find_access_cookie() -> AccessToken | None:
    try:
        return access_cookie()
    except NOT_AUTHENTICATED:
        return None
