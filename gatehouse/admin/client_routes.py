"""Routes: the applications that users sign in to."""

from functools import partial
from typing import Any

from marshmallow import Schema, fields

from gatehouse.admin.schemas import TIMESTAMP, UUID_FORMAT
from gatehouse.authorization import permissions
from gatehouse.authorization.errors import GrantExceedsOwnPermissions
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.oauth import client_definitions as definitions
from gatehouse.oauth import client_metadata
from gatehouse.oauth.client_errors import ClientExists, ClientHasGrants
from gatehouse.oauth.client_forms import ClientUpdate, NewClient, NewClientForm
from gatehouse.oauth.client_metadata import ClientChange
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web import pagination
from gatehouse.web.etags import require_version, with_etag
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, Timestamp, page_schema

client_routes = Blueprint(
    "clients", __name__, url_prefix="/admin/clients", description="Administration"
)


def _text(**about: object) -> fields.String:
    return fields.String(required=True, metadata=about)


def _optional_text(**about: object) -> fields.String:
    return fields.String(required=True, allow_none=True, metadata=about)


def _texts() -> fields.List[Any]:
    return fields.List(fields.String(), required=True)


class ClientItem(Schema):
    """A client, without its secrets."""

    client_id = _text(example="shop")
    kind = _text(enum=list(client_metadata.KINDS))
    name = _text(example="Example Shop")
    authentication_method = _text(enum=list(client_metadata.METHODS))
    jwks = fields.Dict(required=True, allow_none=True)
    redirect_uris = _texts()
    post_logout_redirect_uris = _texts()
    backchannel_logout_uri = _optional_text()
    grant_types = _texts()
    response_modes = _texts()
    scopes = _texts()
    resources = _texts()
    consent = _text(enum=list(client_metadata.CONSENT_RULES))
    require_pkce = fields.Boolean(required=True)
    subject_type = _text(enum=list(client_metadata.SUBJECT_TYPES))
    sector = _optional_text()
    id_token_algorithm = _text(enum=list(client_metadata.ID_TOKEN_ALGORITHMS))
    access_token_lifetime = fields.Integer(required=True, metadata={"description": "seconds"})
    refresh_token_lifetime = fields.Integer(required=True, metadata={"description": "seconds"})
    grant_lifetime = fields.Integer(required=True, metadata={"description": "seconds"})
    uri = _optional_text()
    logo_uri = _optional_text()
    terms_uri = _optional_text()
    privacy_uri = _optional_text()
    service_account_id = _optional_text(**UUID_FORMAT)
    enabled = fields.Boolean(required=True)
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    updated_at = Timestamp(required=True, metadata=TIMESTAMP)


class RegisteredClient(ClientItem):
    """A new client with its first secret: the only answer that contains it."""

    client_secret = _optional_text(
        description="shown once; starts with `ghs_`; null for a client without secrets"
    )


@client_routes.get("")
@rate_limit("admin")
@requires(permissions.CLIENTS_READ)
@client_routes.arguments(PageQuery, location="query")
@client_routes.response(200, page_schema(ClientItem))
def list_clients(_caller: Administrator, query: PageQueryForm) -> dict[str, object]:
    """List the applications, by id."""
    ids, following = pagination.select_page(
        "clients", definitions.list_client_ids(), query.limit, query.cursor
    )
    return {"items": definitions.describe_clients(ids), "next_cursor": following}


@client_routes.post("")
@rate_limit("admin")
@requires(permissions.CLIENTS_MANAGE)
@client_routes.arguments(NewClient)
@client_routes.response(201, RegisteredClient)
@client_routes.errors(ClientExists, GrantExceedsOwnPermissions)
def create_client(_caller: Administrator, form: NewClientForm) -> tuple[object, dict[str, str]]:
    """Register an application; the answer has its first secret, if it authenticates with one."""
    registered = definitions.register_client(
        form.client_id, form.kind, form.change, request_context()
    )
    item, headers = with_etag(definitions.serialize_client(registered.client))
    return item | {"client_secret": registered.secret}, headers


@client_routes.get("/<client_id>")
@rate_limit("admin")
@requires(permissions.CLIENTS_READ)
@client_routes.response(200, ClientItem)
@client_routes.errors(NotFound)
def read_client(_caller: Administrator, client_id: str) -> tuple[object, dict[str, str]]:
    """Read an application; the `ETag` names this version of it."""
    return with_etag(definitions.describe_client(client_id))


@client_routes.patch("/<client_id>")
@rate_limit("admin")
@requires(permissions.CLIENTS_MANAGE)
@client_routes.arguments(ClientUpdate)
@client_routes.response(200, ClientItem)
@client_routes.errors(NotFound, PreconditionFailed, GrantExceedsOwnPermissions)
@conditional
def update_client(
    _caller: Administrator, form: ClientChange, client_id: str
) -> tuple[object, dict[str, str]]:
    """Change an application; while it is disabled, it has no access to users."""
    require_version(partial(definitions.describe_client, client_id))
    definitions.change_client(client_id, form, request_context())
    return with_etag(definitions.describe_client(client_id))


@client_routes.delete("/<client_id>")
@rate_limit("admin")
@requires(permissions.CLIENTS_MANAGE)
@client_routes.response(204)
@client_routes.errors(NotFound, PreconditionFailed, ClientHasGrants, GrantExceedsOwnPermissions)
@conditional
def delete_client(_caller: Administrator, client_id: str) -> None:
    """Delete an application with its secrets; its access to users ends within a second."""
    require_version(partial(definitions.describe_client, client_id))
    definitions.delete_client(client_id, request_context())
