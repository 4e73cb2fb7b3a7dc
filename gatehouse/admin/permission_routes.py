"""Routes: the permissions that roles can grant."""

from typing import Any

from marshmallow import Schema, fields

from gatehouse.authorization import permissions
from gatehouse.sessions.guards import requires
from gatehouse.tokens.service import AccessToken
from gatehouse.web.openapi import Blueprint
from schemas import page_schema

permission_routes = Blueprint(
    "permissions", __name__, url_prefix="/admin/permissions", description="Administration"
)


class PermissionItem(Schema):
    """A permission."""

    name = fields.String(required=True, metadata={"example": "users:read"})
    description = fields.String(required=True)


@permission_routes.get("")
@requires(permissions.ROLES_READ)
@permission_routes.response(200, page_schema(PermissionItem))
def list_permissions(_caller: AccessToken) -> dict[str, Any]:
    """List the permissions that roles can grant."""
    declared = sorted(permissions.DECLARED.values(), key=lambda permission: permission.name)
    return {"items": declared, "next_cursor": None}
