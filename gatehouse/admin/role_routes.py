"""Routes: the roles that users can have."""

from functools import partial

from marshmallow import Schema, fields

from gatehouse.admin.role_forms import NewRole, RoleForm, RoleUpdate
from gatehouse.authorization import catalog, definitions, permissions
from gatehouse.authorization.definitions import RoleChange
from gatehouse.authorization.errors import BuiltIn, RoleExists, TooManyPermissions
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web import pagination
from gatehouse.web.etags import require_version, with_etag
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, page_schema

role_routes = Blueprint("roles", __name__, url_prefix="/admin/roles", description="Administration")


class RoleItem(Schema):
    """A role, and what it grants."""

    name = fields.String(required=True, metadata={"example": "support"})
    description = fields.String(required=True)
    built_in = fields.Boolean(required=True)
    permissions = fields.List(
        fields.String(), required=True, metadata={"description": "by itself; `admin` has all"}
    )
    parents = fields.List(
        fields.String(), required=True, metadata={"description": "roles that it contains"}
    )
    all_permissions = fields.List(
        fields.String(), required=True, metadata={"description": "with those of the parents"}
    )


@role_routes.get("")
@rate_limit("admin")
@requires(permissions.ROLES_READ)
@role_routes.arguments(PageQuery, location="query")
@role_routes.response(200, page_schema(RoleItem))
def list_roles(_caller: Administrator, query: PageQueryForm) -> dict[str, object]:
    """List the roles."""
    known = catalog.read_catalog()
    names, following = pagination.select_page(
        "roles", sorted(known.roles), query.limit, query.cursor
    )
    return {"items": [known.describe_role(name) for name in names], "next_cursor": following}


@role_routes.post("")
@rate_limit("admin")
@requires(permissions.ROLES_WRITE)
@role_routes.arguments(NewRole)
@role_routes.response(201, RoleItem)
@role_routes.errors(RoleExists, TooManyPermissions)
def create_role(_caller: Administrator, form: RoleForm) -> dict[str, object]:
    """Create a role; you need all permissions that it grants."""
    definitions.create_role(form.name, form.change, request_context())
    return catalog.read_catalog().describe_role(form.name)


@role_routes.get("/<name>")
@rate_limit("admin")
@requires(permissions.ROLES_READ)
@role_routes.response(200, RoleItem)
@role_routes.errors(NotFound)
def read_role(_caller: Administrator, name: str) -> tuple[object, dict[str, str]]:
    """Read a role; the `ETag` names this version of it."""
    return with_etag(_read(name))


@role_routes.patch("/<name>")
@rate_limit("admin")
@requires(permissions.ROLES_WRITE)
@role_routes.arguments(RoleUpdate)
@role_routes.response(200, RoleItem)
@role_routes.errors(NotFound, BuiltIn, TooManyPermissions, PreconditionFailed)
@conditional
def update_role(
    _caller: Administrator, form: RoleChange, name: str
) -> tuple[object, dict[str, str]]:
    """Change a role; you need all permissions that it grants before and after."""
    require_version(partial(_read, name))
    definitions.change_role(name, form, request_context())
    return with_etag(_read(name))


@role_routes.delete("/<name>")
@rate_limit("admin")
@requires(permissions.ROLES_WRITE)
@role_routes.response(204)
@role_routes.errors(NotFound, BuiltIn, PreconditionFailed)
@conditional
def delete_role(_caller: Administrator, name: str) -> None:
    """Delete a role, also for all users who have it."""
    require_version(partial(_read, name))
    definitions.delete_role(name, request_context())


def _read(name: str) -> dict[str, object]:
    known = catalog.read_catalog()
    if name not in known.roles:
        raise NotFound
    return known.describe_role(name)
