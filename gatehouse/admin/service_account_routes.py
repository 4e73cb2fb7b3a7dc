"""Routes: service accounts, whose programs authenticate with API keys."""

from functools import partial
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.admin.role_assignment_routes import AssignedRoleItem
from gatehouse.admin.schemas import TIMESTAMP, UUID_FORMAT
from gatehouse.admin.service_account_forms import NewServiceAccount, ServiceAccountUpdate
from gatehouse.authorization import permissions
from gatehouse.authorization.errors import GrantExceedsOwnPermissions
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.service_accounts import accounts
from gatehouse.service_accounts.accounts import ServiceAccountChange
from gatehouse.service_accounts.errors import ServiceAccountExists
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web import pagination
from gatehouse.web.etags import require_version, with_etag
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, Timestamp, page_schema

CURSOR = "service accounts"
service_account_routes = Blueprint(
    "service_accounts", __name__, url_prefix="/admin/service-accounts", description="Administration"
)


class ServiceAccountItem(Schema):
    """A service account."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    name = fields.String(required=True, metadata={"example": "deploy"})
    description = fields.String(required=True)
    owner_id = fields.String(
        required=True,
        allow_none=True,
        metadata=UUID_FORMAT | {"description": "null if the owner was erased: keys are rejected"},
    )
    enabled = fields.Boolean(required=True)
    roles = fields.List(fields.Nested(AssignedRoleItem), required=True)
    created_at = Timestamp(required=True, metadata=TIMESTAMP)


@service_account_routes.get("")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_READ)
@service_account_routes.arguments(PageQuery, location="query")
@service_account_routes.response(200, page_schema(ServiceAccountItem))
def list_service_accounts(_caller: Administrator, query: PageQueryForm) -> dict[str, object]:
    """List the service accounts, the newest first."""
    after = pagination.decode_cursor(CURSOR, query.cursor)
    rows, following = accounts.list_accounts(query.limit, after)
    given = accounts.list_roles_of([row.id for row in rows])
    items = [accounts.serialize_account(row, given[row.id]) for row in rows]
    return {"items": items, "next_cursor": pagination.encode_cursor(CURSOR, following)}


@service_account_routes.post("")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_WRITE)
@service_account_routes.arguments(NewServiceAccount)
@service_account_routes.response(201, ServiceAccountItem)
@service_account_routes.errors(ServiceAccountExists, GrantExceedsOwnPermissions)
def create_service_account(
    _caller: Administrator, form: ServiceAccountChange
) -> tuple[object, dict[str, str]]:
    """Create a service account; you need all permissions that its roles grant."""
    return with_etag(accounts.describe_account(accounts.create_account(form, request_context()).id))


@service_account_routes.get("/<uuid:account_id>")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_READ)
@service_account_routes.response(200, ServiceAccountItem)
@service_account_routes.errors(NotFound)
def read_service_account(_caller: Administrator, account_id: UUID) -> tuple[object, dict[str, str]]:
    """Read a service account; the `ETag` names this version of it."""
    return with_etag(accounts.describe_account(account_id))


@service_account_routes.patch("/<uuid:account_id>")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_WRITE)
@service_account_routes.arguments(ServiceAccountUpdate)
@service_account_routes.response(200, ServiceAccountItem)
@service_account_routes.errors(
    NotFound, PreconditionFailed, ServiceAccountExists, GrantExceedsOwnPermissions
)
@conditional
def update_service_account(
    _caller: Administrator, form: ServiceAccountChange, account_id: UUID
) -> tuple[object, dict[str, str]]:
    """Change a service account; while it is disabled, its keys are rejected."""
    require_version(partial(accounts.describe_account, account_id))
    accounts.change_account(account_id, form, request_context())
    return with_etag(accounts.describe_account(account_id))


@service_account_routes.delete("/<uuid:account_id>")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_WRITE)
@service_account_routes.response(204)
@service_account_routes.errors(NotFound, PreconditionFailed, GrantExceedsOwnPermissions)
@conditional
def delete_service_account(_caller: Administrator, account_id: UUID) -> None:
    """Delete a service account and its keys, which are rejected within a second."""
    require_version(partial(accounts.describe_account, account_id))
    accounts.delete_account(account_id, request_context())
