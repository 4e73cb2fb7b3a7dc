"""Routes: the API keys of a service account."""

from functools import partial
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.admin.schemas import OPTIONAL_TIMESTAMP, TIMESTAMP, UUID_FORMAT
from gatehouse.admin.service_account_forms import ApiKeyRotation, NewApiKey, RotationForm
from gatehouse.authorization import permissions
from gatehouse.authorization.errors import GrantExceedsOwnPermissions
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.service_accounts import keys
from gatehouse.service_accounts.errors import ApiKeyEnded, TooManyKeys
from gatehouse.service_accounts.keys import CreatedKey, KeyRef, NewKey
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web import pagination
from gatehouse.web.etags import require_version, with_etag
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, Timestamp, page_schema

api_key_routes = Blueprint(
    "api_keys", __name__, url_prefix="/admin/service-accounts", description="Administration"
)


class ApiKeyItem(Schema):
    """An API key, without the key."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    name = fields.String(required=True, metadata={"example": "CI runner"})
    permissions = fields.List(fields.String(), required=True)
    networks = fields.List(fields.String(), required=True)
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    created_by = fields.String(
        required=True,
        allow_none=True,
        metadata=UUID_FORMAT | {"description": "a user; null for an operator"},
    )
    expires_at = Timestamp(required=True, metadata=TIMESTAMP)
    last_used_at = Timestamp(
        required=True, metadata=OPTIONAL_TIMESTAMP | {"description": "about ten seconds late"}
    )
    revoked_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    successor_id = fields.String(
        required=True,
        allow_none=True,
        metadata=UUID_FORMAT | {"description": "the key that replaced it"},
    )


class CreatedApiKey(ApiKeyItem):
    """A new API key: the only answer that contains it."""

    key = fields.String(required=True, metadata={"description": "shown once; starts with `ghk_`"})


@api_key_routes.get("/<uuid:account_id>/keys")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_READ)
@api_key_routes.arguments(PageQuery, location="query")
@api_key_routes.response(200, page_schema(ApiKeyItem))
@api_key_routes.errors(NotFound)
def list_api_keys(
    _caller: Administrator, query: PageQueryForm, account_id: UUID
) -> dict[str, object]:
    """List the API keys of a service account, the newest first, for 90 days after their end."""
    purpose = f"api keys {account_id}"
    after = pagination.decode_cursor(purpose, query.cursor)
    rows, following = keys.list_keys(account_id, query.limit, after)
    items = [keys.serialize_key(row) for row in rows]
    return {"items": items, "next_cursor": pagination.encode_cursor(purpose, following)}


@api_key_routes.post("/<uuid:account_id>/keys")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_WRITE, people_only=True)
@api_key_routes.arguments(NewApiKey)
@api_key_routes.response(201, CreatedApiKey)
@api_key_routes.errors(NotFound, TooManyKeys, GrantExceedsOwnPermissions)
def create_api_key(_caller: Administrator, form: NewKey, account_id: UUID) -> dict[str, object]:
    """Create an API key, which is shown once; you need all permissions that it has."""
    return _show_once(keys.create_key(account_id, form, request_context()))


@api_key_routes.get("/<uuid:account_id>/keys/<uuid:key_id>")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_READ)
@api_key_routes.response(200, ApiKeyItem)
@api_key_routes.errors(NotFound)
def read_api_key(
    _caller: Administrator, account_id: UUID, key_id: UUID
) -> tuple[object, dict[str, str]]:
    """Read an API key, without the key; the `ETag` names this version of it."""
    key = keys.get_key(KeyRef(account_id, key_id))
    _, headers = with_etag(keys.serialize_version(key))
    return keys.serialize_key(key), headers


@api_key_routes.post("/<uuid:account_id>/keys/<uuid:key_id>/rotate")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_WRITE, people_only=True)
@api_key_routes.arguments(ApiKeyRotation, required=False)
@api_key_routes.response(201, CreatedApiKey)
@api_key_routes.errors(
    NotFound, ApiKeyEnded, TooManyKeys, PreconditionFailed, GrantExceedsOwnPermissions
)
@conditional
def rotate_api_key(
    _caller: Administrator, form: RotationForm, account_id: UUID, key_id: UUID
) -> dict[str, object]:
    """Replace an API key by a new one; both are valid for the overlap, by default a day."""
    ref = KeyRef(account_id, key_id)
    require_version(partial(_read_version, ref))
    created = keys.rotate_key(ref, form.expires_at, form.overlap, request_context())
    return _show_once(created)


@api_key_routes.delete("/<uuid:account_id>/keys/<uuid:key_id>")
@rate_limit("admin")
@requires(permissions.SERVICE_ACCOUNTS_WRITE)
@api_key_routes.response(204)
@api_key_routes.errors(NotFound, PreconditionFailed, GrantExceedsOwnPermissions)
@conditional
def revoke_api_key(_caller: Administrator, account_id: UUID, key_id: UUID) -> None:
    """Revoke an API key: it is rejected everywhere within a second."""
    ref = KeyRef(account_id, key_id)
    require_version(partial(_read_version, ref))
    keys.revoke_key(ref, request_context())


def _read_version(ref: KeyRef) -> dict[str, object]:
    return keys.serialize_version(keys.get_key(ref))


def _show_once(created: CreatedKey) -> dict[str, object]:
    return keys.serialize_key(created.row) | {"key": created.text}
