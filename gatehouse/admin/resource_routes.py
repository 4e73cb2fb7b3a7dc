"""Routes: the APIs that applications get access tokens for."""

from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.admin.schemas import TIMESTAMP, UUID_FORMAT
from gatehouse.authorization import permissions
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.oauth import resources
from gatehouse.oauth.client_errors import ResourceExists, ResourceInUse
from gatehouse.oauth.resource_forms import NewResource, NewResourceForm, ResourceUpdate
from gatehouse.oauth.resources import ResourceChange
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web import pagination
from gatehouse.web.etags import require_version, with_etag
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, Timestamp, page_schema

CURSOR = "resources"
resource_routes = Blueprint(
    "resources", __name__, url_prefix="/admin/resources", description="Administration"
)


class ResourceItem(Schema):
    """An API that accepts access tokens."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    audience = fields.String(required=True, metadata={"example": "https://api.example.com"})
    name = fields.String(required=True, metadata={"example": "Orders"})
    scopes = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"example": {"orders:read": "See your orders."}},
    )
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    updated_at = Timestamp(required=True, metadata=TIMESTAMP)


@resource_routes.get("")
@rate_limit("admin")
@requires(permissions.CLIENTS_READ)
@resource_routes.arguments(PageQuery, location="query")
@resource_routes.response(200, page_schema(ResourceItem))
def list_resources(_caller: Administrator, query: PageQueryForm) -> dict[str, object]:
    """List the APIs that are registered, the newest first."""
    after = pagination.decode_cursor(CURSOR, query.cursor)
    rows, following = resources.list_resources(query.limit, after)
    items = [resources.serialize_resource(row) for row in rows]
    return {"items": items, "next_cursor": pagination.encode_cursor(CURSOR, following)}


@resource_routes.post("")
@rate_limit("admin")
@requires(permissions.CLIENTS_MANAGE)
@resource_routes.arguments(NewResource)
@resource_routes.response(201, ResourceItem)
@resource_routes.errors(ResourceExists)
def create_resource(_caller: Administrator, form: NewResourceForm) -> tuple[object, dict[str, str]]:
    """Register an API with its scopes, for which applications can get access tokens."""
    created = resources.create_resource(form.audience, form.change, request_context())
    return with_etag(resources.serialize_resource(created))


@resource_routes.get("/<uuid:resource_id>")
@rate_limit("admin")
@requires(permissions.CLIENTS_READ)
@resource_routes.response(200, ResourceItem)
@resource_routes.errors(NotFound)
def read_resource(_caller: Administrator, resource_id: UUID) -> tuple[object, dict[str, str]]:
    """Read an API; the `ETag` names this version of it."""
    return with_etag(_read(resource_id))


@resource_routes.patch("/<uuid:resource_id>")
@rate_limit("admin")
@requires(permissions.CLIENTS_MANAGE)
@resource_routes.arguments(ResourceUpdate)
@resource_routes.response(200, ResourceItem)
@resource_routes.errors(NotFound, PreconditionFailed)
@conditional
def update_resource(
    _caller: Administrator, form: ResourceChange, resource_id: UUID
) -> tuple[object, dict[str, str]]:
    """Change the name or the scopes of an API; tokens that were given keep theirs."""
    require_version(lambda: _read(resource_id))
    resources.change_resource(resource_id, form, request_context())
    return with_etag(_read(resource_id))


@resource_routes.delete("/<uuid:resource_id>")
@rate_limit("admin")
@requires(permissions.CLIENTS_MANAGE)
@resource_routes.response(204)
@resource_routes.errors(NotFound, PreconditionFailed, ResourceInUse)
@conditional
def delete_resource(_caller: Administrator, resource_id: UUID) -> None:
    """Delete an API that no application is registered for."""
    require_version(lambda: _read(resource_id))
    resources.delete_resource(resource_id, request_context())


def _read(resource_id: UUID) -> dict[str, object]:
    return resources.serialize_resource(resources.get_resource(resource_id))
