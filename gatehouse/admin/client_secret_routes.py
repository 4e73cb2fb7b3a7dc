"""Routes: the secrets of an application."""

from functools import partial
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.admin.schemas import OPTIONAL_TIMESTAMP, TIMESTAMP, UUID_FORMAT
from gatehouse.authorization import permissions
from gatehouse.authorization.errors import GrantExceedsOwnPermissions
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.oauth import client_secrets
from gatehouse.oauth.client_definitions import changing_client, get_client
from gatehouse.oauth.client_errors import ClientHasNoSecrets, SecretEnded, TooManySecrets
from gatehouse.oauth.client_forms import (
    ClientSecretRotation,
    NewClientSecret,
    NewSecretForm,
    RotationForm,
)
from gatehouse.oauth.client_secrets import CreatedSecret
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web.etags import require_version
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import Timestamp, page_schema

client_secret_routes = Blueprint(
    "client_secrets", __name__, url_prefix="/admin/clients", description="Administration"
)


class ClientSecretItem(Schema):
    """A secret of a client, without its text."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    expires_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    revoked_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    last_used_at = Timestamp(
        required=True, metadata=OPTIONAL_TIMESTAMP | {"description": "about ten seconds late"}
    )


class CreatedClientSecret(ClientSecretItem):
    """A new secret: the only answer that contains it."""

    client_secret = fields.String(
        required=True, metadata={"description": "shown once; starts with `ghs_`"}
    )


@client_secret_routes.get("/<client_id>/secrets")
@rate_limit("admin")
@requires(permissions.CLIENTS_READ)
@client_secret_routes.response(200, page_schema(ClientSecretItem))
@client_secret_routes.errors(NotFound)
def list_client_secrets(_caller: Administrator, client_id: str) -> dict[str, object]:
    """List the secrets of an application, the newest first, for 90 days after their end."""
    rows = client_secrets.list_secrets(get_client(client_id))
    return {"items": [client_secrets.serialize_secret(row) for row in rows], "next_cursor": None}


@client_secret_routes.post("/<client_id>/secrets")
@rate_limit("admin")
@requires(permissions.CLIENTS_MANAGE)
@client_secret_routes.arguments(NewClientSecret, required=False)
@client_secret_routes.response(201, CreatedClientSecret)
@client_secret_routes.errors(
    NotFound, ClientHasNoSecrets, TooManySecrets, GrantExceedsOwnPermissions
)
def create_client_secret(
    _caller: Administrator, form: NewSecretForm, client_id: str
) -> dict[str, object]:
    """Create a secret, which is shown once; an application has at most two."""
    context = request_context()
    with changing_client(client_id, context) as client:
        return _show_once(client_secrets.add_secret(client, form.expires_at, context))


@client_secret_routes.post("/<client_id>/secrets/<uuid:secret_id>/rotate")
@rate_limit("admin")
@requires(permissions.CLIENTS_MANAGE)
@client_secret_routes.arguments(ClientSecretRotation, required=False)
@client_secret_routes.response(201, CreatedClientSecret)
@client_secret_routes.errors(
    *(NotFound, ClientHasNoSecrets, TooManySecrets, SecretEnded),
    *(PreconditionFailed, GrantExceedsOwnPermissions),
)
@conditional
def rotate_client_secret(
    _caller: Administrator, form: RotationForm, client_id: str, secret_id: UUID
) -> dict[str, object]:
    """Replace a secret by a new one; both are valid for the overlap, by default a day."""
    require_version(partial(_read_version, client_id, secret_id))
    context = request_context()
    with changing_client(client_id, context) as client:
        secret = client_secrets.get_secret(client, secret_id)
        return _show_once(client_secrets.rotate_secret(secret, client, form.overlap, context))


@client_secret_routes.delete("/<client_id>/secrets/<uuid:secret_id>")
@rate_limit("admin")
@requires(permissions.CLIENTS_MANAGE)
@client_secret_routes.response(204)
@client_secret_routes.errors(NotFound, PreconditionFailed, GrantExceedsOwnPermissions)
@conditional
def revoke_client_secret(_caller: Administrator, client_id: str, secret_id: UUID) -> None:
    """Revoke a secret: it is rejected at once; access tokens stay valid until they expire."""
    require_version(partial(_read_version, client_id, secret_id))
    context = request_context()
    with changing_client(client_id, context) as client:
        client_secrets.revoke_secret(client_secrets.get_secret(client, secret_id), context)


def _read_version(client_id: str, secret_id: UUID) -> dict[str, object]:
    secret = client_secrets.get_secret(get_client(client_id), secret_id)
    return client_secrets.serialize_version(secret)


def _show_once(created: CreatedSecret) -> dict[str, object]:
    return client_secrets.serialize_secret(created.row) | {"client_secret": created.text}
