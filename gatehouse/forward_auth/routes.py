"""Forward authentication for gateways. A plain Flask view, because it is the hottest path."""

from apispec import APISpec
from flask import Blueprint, Response, request
from werkzeug.routing import Rule

import config
from gatehouse.core.errors import MalformedRequest, ServiceUnavailable
from gatehouse.forward_auth.requirements import (
    PARAMETER,
    RequirementNotMet,
    parse_requirements,
    require_all,
    require_permissions,
)
from gatehouse.service_accounts import key_verification
from gatehouse.sessions.csrf import accepts_any_origin
from gatehouse.sessions.errors import InsufficientUserAuthentication
from gatehouse.sessions.request_credentials import bearer_token
from gatehouse.tokens import service as tokens
from gatehouse.tokens.client_tokens import ClientAccessToken, is_cached, verify_client_access
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from gatehouse.tokens.service import AccessToken
from gatehouse.web.openapi_operations import document_errors
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts_repeated, non_blocking

forward_auth = Blueprint("forward_auth", __name__)
Headers = list[tuple[str, str]]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
IDENTITY_HEADERS = ("X-Auth-User", "X-Auth-Session", "X-Auth-Roles", "X-Auth-Scope")
ACTOR_HEADER = "X-Auth-Actor"
"""Sent only if an administrator acts as the user."""
CLIENT_HEADER = "X-Auth-Client"
"""Sent only with an access token of a client, whose `client_id` it is."""
FURTHER_HEADERS = (ACTOR_HEADER, CLIENT_HEADER)

REQUIRE = {
    "name": "require",
    "in": "query",
    "description": "A permission (`orders:refund`), a role (`role:support`) or a level (`aal2`)"
    " that the token must have. Repeat it to demand several.",
    "schema": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 128}},
    "explode": True,
}


@forward_auth.route("/gateway/verify", methods=METHODS, provide_automatic_options=False)
@non_blocking
@accepts_repeated(PARAMETER)
@accepts_any_origin
def verify_request() -> Response:
    """Return 200 with the identity headers of a valid access token or API key, or 401.

    What `?require=` demands and the token does not have is 403, or 401 if stepping up helps.
    """
    requirements = parse_requirements(request.args)
    encoded = bearer_token()
    verify = _verify_key if tokens.is_api_key(encoded) else _verify_token
    return Response(status=200, headers=verify(encoded, requirements), mimetype="text/plain")


def _verify_token(encoded: str, requirements: list[str]) -> Headers:
    token = _find_token(encoded)
    require_all(token, requirements)
    further = [(CLIENT_HEADER, token.client_id)] if isinstance(token, ClientAccessToken) else []
    if isinstance(token, AccessToken) and token.actor_id:
        further.append((ACTOR_HEADER, token.actor_id))
    return [*_identity(token.sub, token.sid or "", " ".join(token.roles), token.scope), *further]


def _find_token(encoded: str) -> AccessToken | ClientAccessToken:
    """Return a token of our own API, or one of a client for an audience behind the gateway."""
    audiences = config.settings().gateway_audiences
    if audiences and is_cached(encoded):
        return verify_client_access(encoded, audiences)
    try:
        return tokens.verify_access(encoded)
    except TokenInvalid:
        if not audiences:
            raise
    return verify_client_access(encoded, audiences)


def _identity(*values: str) -> Headers:
    return list(zip(IDENTITY_HEADERS, values, strict=True))


def _verify_key(encoded: str, requirements: list[str]) -> Headers:
    """Return the identity of a service account: the key takes the place of a session."""
    key = key_verification.verify_key(encoded, request_context())
    require_permissions(key.permissions, requirements)
    return _identity(key.sub, str(key.id), "", key.scope)


def document_forward_auth(spec: APISpec) -> None:
    """Add the view to the OpenAPI document."""
    token_errors = (
        *(TokenMissing, TokenInvalid, TokenExpired, TokenRevoked),
        InsufficientUserAuthentication,
        *key_verification.REJECTIONS,
    )
    headers = {
        name: {"schema": {"type": "string"}} for name in (*IDENTITY_HEADERS, *FURTHER_HEADERS)
    }
    operation = {
        "operationId": "verify_request",
        "summary": "Verify the access token or API key of a request",
        "tags": ["forward_auth"],
        "security": [{"bearer": []}, {"api_key": []}],
        "parameters": [REQUIRE],
        "responses": {
            "200": {"description": "The token or key is valid.", "headers": headers},
            "400": document_errors((MalformedRequest,)),
            "401": document_errors(token_errors),
            "403": document_errors((RequirementNotMet,)),
            "503": document_errors((ServiceUnavailable,)),
        },
    }
    spec.tag({"name": "forward_auth", "description": "For gateways; accepts every HTTP method"})
    spec.path(rule=Rule("/gateway/verify"), operations={"get": operation})
