"""The question a gateway asks on every request. A plain view: it is the hottest path."""

from flask import Blueprint, Response

from gatehouse.foundation.intake import ignores_body
from gatehouse.sessions.guards import bearer
from gatehouse.tokens import service as tokens

gateway = Blueprint("gateway", __name__)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@gateway.route("/gateway/verify", methods=METHODS)
@ignores_body
def verify() -> Response:
    """Answer 200 with the identity headers of the bearer token, or 401."""
    token = tokens.verify_access(bearer())
    identity = (
        ("X-Auth-User", token.sub),
        ("X-Auth-Session", token.sid),
        ("X-Auth-Roles", " ".join(token.roles)),
        ("X-Auth-Scope", token.scope),
    )
    return Response(status=200, headers=identity, mimetype="text/plain")
