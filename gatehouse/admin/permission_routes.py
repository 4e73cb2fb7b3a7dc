"""Routes: the permissions that roles can grant."""

from functools import partial

from marshmallow import Schema, fields

import config
from gatehouse.admin.role_forms import NewPermission, PermissionForm, PermissionUpdate
from gatehouse.authorization import catalog, definitions, permissions
from gatehouse.authorization.catalog import PermissionDefinition
from gatehouse.authorization.definitions import PermissionChange
from gatehouse.authorization.errors import BuiltIn, PermissionExists
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web import pagination
from gatehouse.web.etags import require_version, with_etag
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, page_schema

permission_routes = Blueprint(
    "permissions", __name__, url_prefix="/admin/permissions", description="Administration"
)


class PermissionItem(Schema):
    """A permission."""

    name = fields.String(required=True, metadata={"example": "users:read"})
    description = fields.String(required=True)
    audience = fields.String(
        required=True, metadata={"description": "of the tokens whose scope may contain it"}
    )
    built_in = fields.Boolean(required=True)


@permission_routes.get("")
@rate_limit("admin")
@requires(permissions.ROLES_READ)
@permission_routes.arguments(PageQuery, location="query")
@permission_routes.response(200, page_schema(PermissionItem))
def list_permissions(_caller: Administrator, query: PageQueryForm) -> dict[str, object]:
    """List the permissions that roles can grant."""
    known = catalog.read_catalog()
    names, following = pagination.select_page(
        "permissions", sorted(known.permissions), query.limit, query.cursor
    )
    return {"items": [known.describe_permission(name) for name in names], "next_cursor": following}


@permission_routes.post("")
@rate_limit("admin")
@requires(permissions.ROLES_WRITE)
@permission_routes.arguments(NewPermission)
@permission_routes.response(201, PermissionItem)
@permission_routes.errors(PermissionExists)
def create_permission(_caller: Administrator, form: PermissionForm) -> dict[str, object]:
    """Create a permission of an application; without `audience` for tokens of our own audience."""
    audience = None if form.audience == config.settings().audience else form.audience
    wanted = PermissionDefinition(form.name, form.description, audience)
    definitions.create_permission(wanted, request_context())
    return catalog.read_catalog().describe_permission(form.name)


@permission_routes.get("/<name>")
@rate_limit("admin")
@requires(permissions.ROLES_READ)
@permission_routes.response(200, PermissionItem)
@permission_routes.errors(NotFound)
def read_permission(_caller: Administrator, name: str) -> tuple[object, dict[str, str]]:
    """Read a permission; the `ETag` names this version of it."""
    return with_etag(_read(name))


@permission_routes.patch("/<name>")
@rate_limit("admin")
@requires(permissions.ROLES_WRITE)
@permission_routes.arguments(PermissionUpdate)
@permission_routes.response(200, PermissionItem)
@permission_routes.errors(NotFound, BuiltIn, PreconditionFailed)
@conditional
def update_permission(
    _caller: Administrator, form: PermissionChange, name: str
) -> tuple[object, dict[str, str]]:
    """Change the description of a permission."""
    require_version(partial(_read, name))
    definitions.change_permission(name, form, request_context())
    return with_etag(_read(name))


@permission_routes.delete("/<name>")
@rate_limit("admin")
@requires(permissions.ROLES_WRITE)
@permission_routes.response(204)
@permission_routes.errors(NotFound, BuiltIn, PreconditionFailed)
@conditional
def delete_permission(_caller: Administrator, name: str) -> None:
    """Delete a permission, also from all roles that grant it."""
    require_version(partial(_read, name))
    definitions.delete_permission(name, request_context())


def _read(name: str) -> dict[str, object]:
    known = catalog.read_catalog()
    if name not in known.permissions:
        raise NotFound
    return known.describe_permission(name)
