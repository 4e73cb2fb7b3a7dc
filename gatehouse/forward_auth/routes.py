"""The question a gateway asks on every request. A plain view: it is the hottest path."""

from apispec import APISpec
from flask import Blueprint, Response
from werkzeug.routing import Rule

from gatehouse.core.errors import MalformedRequest, ServiceUnavailable
from gatehouse.sessions.csrf import takes_any_origin
from gatehouse.sessions.request_credentials import bearer
from gatehouse.tokens import service as tokens
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from gatehouse.web.openapi import documentation
from gatehouse.web.request_validation import at_once

gateway = Blueprint("gateway", __name__)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
IDENTITY = ("X-Auth-User", "X-Auth-Session", "X-Auth-Roles", "X-Auth-Scope")


@gateway.route("/gateway/verify", methods=METHODS, provide_automatic_options=False)
@at_once
@takes_any_origin
def verify() -> Response:
    """Answer 200 with the identity headers of the bearer token, or 401."""
    token = tokens.verify_access(bearer())
    identity = zip(
        IDENTITY, (token.sub, token.sid, " ".join(token.roles), token.scope), strict=True
    )
    return Response(status=200, headers=list(identity), mimetype="text/plain")


def document(spec: APISpec) -> None:
    """Describe the view in the OpenAPI document."""
    kinds = (TokenMissing, TokenInvalid, TokenExpired, TokenRevoked)
    texts = {name: {"schema": {"type": "string"}} for name in IDENTITY}
    operation = {
        "operationId": "verify",
        "summary": "May this request pass, and whose is it?",
        "tags": ["gateway"],
        "security": [{"bearer": []}],
        "responses": {
            "200": {"description": "It may.", "headers": texts},
            "400": documentation((MalformedRequest,)),
            "401": documentation(kinds),
            "503": documentation((ServiceUnavailable,)),
        },
    }
    spec.tag({"name": "gateway", "description": "For gateways; any method is answered"})
    spec.path(rule=Rule("/gateway/verify"), operations={"get": operation})
