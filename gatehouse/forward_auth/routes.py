"""Forward authentication for gateways. A plain Flask view, because it is the hottest path."""

from apispec import APISpec
from flask import Blueprint, Response, request
from werkzeug.routing import Rule

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
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from gatehouse.web.openapi_operations import document_errors
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts_repeated, non_blocking

forward_auth = Blueprint("forward_auth", __name__)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
IDENTITY_HEADERS = ("X-Auth-User", "X-Auth-Session", "X-Auth-Roles", "X-Auth-Scope", "X-Auth-Actor")
"""The last is sent only if an administrator acts as the user."""

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
    identity = zip(IDENTITY_HEADERS, verify(encoded, requirements), strict=False)
    return Response(status=200, headers=list(identity), mimetype="text/plain")


def _verify_token(encoded: str, requirements: list[str]) -> tuple[str, ...]:
    token = tokens.verify_access(encoded)
    require_all(token, requirements)
    actor = (token.actor_id,) if token.actor_id else ()
    return token.sub, token.sid, " ".join(token.roles), token.scope, *actor


def _verify_key(encoded: str, requirements: list[str]) -> tuple[str, ...]:
    """Return the identity of a service account: the key takes the place of a session."""
    key = key_verification.verify_key(encoded, request_context())
    require_permissions(key.permissions, requirements)
    return key.sub, str(key.id), "", key.scope


def document_forward_auth(spec: APISpec) -> None:
    """Add the view to the OpenAPI document."""
    token_errors = (
        *(TokenMissing, TokenInvalid, TokenExpired, TokenRevoked),
        InsufficientUserAuthentication,
        *key_verification.REJECTIONS,
    )
    headers = {name: {"schema": {"type": "string"}} for name in IDENTITY_HEADERS}
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
