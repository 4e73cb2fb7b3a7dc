"""Routes: the roles of a user."""

from functools import partial
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.admin.role_forms import AssignmentsForm, RoleAssignments
from gatehouse.admin.schemas import OPTIONAL_TIMESTAMP, TIMESTAMP
from gatehouse.authorization import assignments, permissions
from gatehouse.authorization.errors import LastAdministrator, TooManyPermissions
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web.etags import require_version, with_etag
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import Timestamp

role_assignment_routes = Blueprint(
    "role_assignments", __name__, url_prefix="/admin/users", description="Administration"
)


class AssignedRoleItem(Schema):
    """A role of a user, since when, until when and why."""

    role = fields.String(required=True)
    assigned_at = Timestamp(required=True, metadata=TIMESTAMP)
    expires_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    reason = fields.String(required=True, allow_none=True)


class UserRoles(Schema):
    """All roles of a user, besides `user`, which every user has."""

    roles = fields.List(fields.Nested(AssignedRoleItem), required=True)


@role_assignment_routes.get("/<uuid:user_id>/roles")
@rate_limit("admin")
@requires(permissions.ROLES_READ)
@role_assignment_routes.response(200, UserRoles)
@role_assignment_routes.errors(NotFound)
def list_user_roles(_caller: Administrator, user_id: UUID) -> tuple[object, dict[str, str]]:
    """List the roles of a user; the `ETag` names this version of the list."""
    return with_etag(assignments.describe_roles(user_id))


@role_assignment_routes.put("/<uuid:user_id>/roles")
@rate_limit("admin")
@requires(permissions.ROLES_WRITE)
@role_assignment_routes.arguments(RoleAssignments)
@role_assignment_routes.response(200, UserRoles)
@role_assignment_routes.errors(NotFound, LastAdministrator, TooManyPermissions, PreconditionFailed)
@conditional
def replace_user_roles(
    _caller: Administrator, form: AssignmentsForm, user_id: UUID
) -> tuple[object, dict[str, str]]:
    """Replace the roles of a user; you need all permissions that you give or take."""
    require_version(partial(assignments.describe_roles, user_id))
    assignments.replace_assignments(user_id, form.roles, request_context())
    return with_etag(assignments.describe_roles(user_id))
