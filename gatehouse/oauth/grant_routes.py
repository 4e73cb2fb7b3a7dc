"""Routes: list the applications that have access to my account, and revoke their access."""

from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.core.errors import NotFound
from gatehouse.oauth import authorized_applications
from gatehouse.oauth.application_schemas import AuthorizedApplication
from gatehouse.sessions.guards import signed_in
from gatehouse.tokens.service import AccessToken
from gatehouse.web.openapi import Blueprint
from gatehouse.web.request_context import request_context

grant_routes = Blueprint("grants", __name__, url_prefix="/auth/grants", description="OAuth 2.0")


class AuthorizedApplicationList(Schema):
    """The applications that have access, by name."""

    items = fields.List(fields.Nested(AuthorizedApplication), required=True)


@grant_routes.get("")
@signed_in
@grant_routes.response(200, AuthorizedApplicationList)
def list_grants(caller: AccessToken) -> dict[str, object]:
    """List the applications that have access to my account."""
    user_id, context = UUID(caller.sub), request_context()
    return {"items": authorized_applications.list_applications(user_id, context)}


@grant_routes.delete("/<uuid:grant_id>")
@signed_in
@grant_routes.response(204)
@grant_routes.errors(NotFound)
def revoke_grant(caller: AccessToken, grant_id: UUID) -> None:
    """Revoke the access of an application; its tokens become invalid within a second."""
    context = request_context()
    authorized_applications.revoke_own_access(UUID(caller.sub), grant_id, context)
