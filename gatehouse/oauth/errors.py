"""Errors of OAuth 2.0 and OpenID Connect, and the format in which they are sent.

The codes are those of RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707 section 2, RFC 6750 section 3.1
and OpenID Connect Core section 3.1.2.6. Errors of ours that no standard names are translated.
"""

import re

from apispec import APISpec
from flask import Response, jsonify

from gatehouse.core.errors import ApiError
from gatehouse.web.error_formats import ErrorFormat

NOT_ALLOWED = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
"""What `error_description` may not contain (RFC 6749 section 5.2)."""


class OAuthError(ApiError):
    """A request to the authorization server was rejected."""


class InvalidRequest(OAuthError):
    """The request is malformed: a parameter is missing, unknown, repeated or not well formed."""

    code = "invalid_request"


class InvalidClient(OAuthError):
    """The client is unknown, or its authentication failed."""

    status = 401
    code = "invalid_client"
    headers = {"WWW-Authenticate": 'Basic realm="gatehouse"'}


class InvalidGrant(OAuthError):
    """The code or refresh token is invalid, expired or revoked, or belongs to another client."""

    code = "invalid_grant"
    next = "Ask the user to sign in again."


class InsufficientScope(OAuthError):
    """The access token lacks the scope that this request needs."""

    status = 403
    code = "insufficient_scope"
    headers = {"WWW-Authenticate": 'Bearer realm="gatehouse", error="insufficient_scope"'}


class UnauthorizedClient(OAuthError):
    """The client may not use this grant, response type or response mode."""

    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """The server does not support this grant type."""

    code = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    """The server does not support this response type."""

    code = "unsupported_response_type"


class InvalidScope(OAuthError):
    """The scope is unknown or malformed, or exceeds what was granted."""

    code = "invalid_scope"


class InvalidTarget(OAuthError):
    """The resource is unknown, or the client may not get tokens for it (RFC 8707)."""

    code = "invalid_target"


class AccessDenied(OAuthError):
    """The user, or the policy of the service, denied the request."""

    status = 403
    code = "access_denied"


class LoginRequired(OAuthError):
    """The user is not signed in, and the client asked for no page to be shown."""

    code = "login_required"


class ConsentRequired(OAuthError):
    """The user has not consented, and the client asked for no page to be shown."""

    code = "consent_required"


class InteractionRequired(OAuthError):
    """A page has to be shown, and the client asked for none."""

    code = "interaction_required"


class AccountSelectionRequired(OAuthError):
    """The user has to choose an account, and the client asked for no page to be shown."""

    code = "account_selection_required"


class UnmetAuthenticationRequirements(OAuthError):
    """The user cannot authenticate as strongly as the client requires."""

    code = "unmet_authentication_requirements"


class RequestNotSupported(OAuthError):
    """Request objects are not supported: send the parameters themselves."""

    code = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    """Request objects by reference are not supported, and nothing was fetched."""

    code = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    """Clients are registered by operators; the parameter `registration` is not supported."""

    code = "registration_not_supported"


def error_code(error: ApiError) -> str:
    """Return the code of an error in the words of OAuth."""
    if isinstance(error, OAuthError):
        return error.code
    if error.status == 401:
        return "invalid_token"  # RFC 6750 section 3.1
    if error.status in (429, 503):
        return "temporarily_unavailable"
    return "server_error" if error.status >= 500 else "invalid_request"


def error_description(error: ApiError) -> str:
    """Return what happened, in the characters that the standard allows."""
    return NOT_ALLOWED.sub("'", str(error))


def _render(error: ApiError) -> Response:
    response = jsonify(error=error_code(error), error_description=error_description(error))
    response.status_code = 400 if error.status == 422 else error.status
    response.headers["Cache-Control"] = "no-store"
    return response


OAUTH = ErrorFormat("application/json", "OAuthError", _render)
"""Errors of RFC 6749 section 5.2."""
ERROR_SCHEMA = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    "required": ["error", "error_description"],
}


def document_errors(spec: APISpec) -> None:
    """Add the schema of errors to the OpenAPI document."""
    spec.components.schema(OAUTH.schema, ERROR_SCHEMA)
