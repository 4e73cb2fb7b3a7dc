"""Register clients: create, change and delete them, and end their access to users.

Every change takes the lock of administration first. A client that acts as a service account is
changed only by those who have all its permissions.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from gatehouse.audit.oauth_events import Clients
from gatehouse.audit.service import record
from gatehouse.authorization import catalog, delegation
from gatehouse.core import crypto
from gatehouse.core.errors import NotFound, reject_field
from gatehouse.database.session import db, write_transaction
from gatehouse.oauth import client_rules, client_secrets, grant_lifecycle
from gatehouse.oauth.client_errors import ClientExists, ClientHasGrants
from gatehouse.oauth.client_metadata import FIELDS, SECRET_METHODS, ClientChange, default_values
from gatehouse.oauth.clients import CLIENT_ID
from gatehouse.service_accounts import accounts
from gatehouse.web.request_context import BACKGROUND, FIRST_PARTY_CLIENT, Actor, RequestContext
from models import OAuthClient, OAuthGrant, ServiceAccount

ID_MESSAGE = "Use lower-case letters, digits, dots, - and _ for the id."
UUID_LIKE = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
"""As the `sub` of a token, such an id could be taken for that of a user."""
MAX_ENDED_AT_ONCE = 500
"""Grants that one transaction ends; a scheduled job ends those beyond."""
CLIENT_CHANGED, CLIENT_DELETED = "client_disabled", "client_deleted"


@dataclass(frozen=True, repr=False)
class RegisteredClient:
    """A new client, and the text of its first secret, which is shown once."""

    client: OAuthClient
    secret: str | None = None


def generate_id() -> str:
    """Return an id for a client whose operator chose none."""
    return crypto.random_base32(16).lower()


def list_client_ids() -> list[str]:
    """Return the ids of all clients, sorted."""
    return sorted(db.session.scalars(select(OAuthClient.id)))


def get_client(client_id: str) -> OAuthClient:
    """Return a client, also a disabled one.

    Raises:
        NotFound: there is none.
    """
    is_possible = re.fullmatch(CLIENT_ID, client_id, re.ASCII)
    client = is_possible and db.session.get(OAuthClient, client_id, populate_existing=True)
    if not client:
        raise NotFound
    return client


def describe_client(client_id: str) -> dict[str, object]:
    """Return a client as administrators see it.

    Raises:
        NotFound: there is none.
    """
    return serialize_client(get_client(client_id))


def describe_clients(client_ids: Sequence[str]) -> list[dict[str, object]]:
    """Return these clients as administrators see them, in the order of their ids."""
    rows = db.session.scalars(select(OAuthClient).where(OAuthClient.id.in_(client_ids)))
    return sorted(map(serialize_client, rows), key=lambda one: str(one["client_id"]))


def serialize_client(client: OAuthClient) -> dict[str, object]:
    """Return a client as administrators see it, without its secrets."""
    account = str(client.service_account_id) if client.service_account_id else None
    return {
        "client_id": client.id,
        "kind": client.kind,
        **{name: getattr(client, name) for name in FIELDS},
        "service_account_id": account,
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    }


def create_client(
    client_id: str, kind: str, change: ClientChange, context: RequestContext
) -> OAuthClient:
    """Register a client; `name` is needed, the kind has defaults for the rest.

    Raises:
        ClientExists: there is one with this id.
        ValidationFailed: something is not allowed, or does not belong to this kind.
        GrantExceedsOwnPermissions: it acts as a service account with permissions that the actor
            does not have.
    """
    with write_transaction():
        delegation.lock_administration()
        _require_free_id(client_id)
        client = OAuthClient(id=client_id, kind=kind, name="", version=1)
        set_fields(client, default_values(kind) | change.values, context.actor)
        db.session.add(client)
        record(Clients.CREATED, context, client=client.id, kind=kind, fields=sorted(change.values))
        return client


def register_client(
    client_id: str, kind: str, change: ClientChange, context: RequestContext
) -> RegisteredClient:
    """Create a client, with its first secret if it authenticates with one.

    Raises:
        ClientExists, ValidationFailed, GrantExceedsOwnPermissions: see `create_client`.
    """
    client = create_client(client_id, kind, change, context)
    if client.authentication_method not in SECRET_METHODS:
        return RegisteredClient(client)
    return RegisteredClient(client, client_secrets.add_secret(client, None, context).text)


def change_client(client_id: str, change: ClientChange, context: RequestContext) -> OAuthClient:
    """Change a client; one that is disabled loses its access to all users.

    Raises:
        NotFound: there is none.
        ValidationFailed, GrantExceedsOwnPermissions: see `create_client`.
    """
    with changing_client(client_id, context) as client:
        fields = set_fields(client, change.values, context.actor)
        if client.authentication_method not in SECRET_METHODS:
            client_secrets.revoke_all(client, context)
        if not client.enabled:
            end_grants(client_id, CLIENT_CHANGED, context)
        if fields:
            record(Clients.CHANGED, context, client=client.id, fields=fields)
        return client


def delete_client(client_id: str, context: RequestContext) -> None:
    """Delete a client with its secrets, and end its access to all users.

    Raises:
        NotFound: there is none.
        ClientHasGrants: it has more grants than one transaction ends.
        GrantExceedsOwnPermissions: see `create_client`.
    """
    with changing_client(client_id, context) as client:
        if end_grants(client_id, CLIENT_DELETED, context):
            raise ClientHasGrants
        record(Clients.DELETED, context, client=client.id)
        db.session.delete(client)


@contextmanager
def changing_client(client_id: str, context: RequestContext) -> Iterator[OAuthClient]:
    """Lock a client for a change of it or of its secrets, in the write transaction.

    Raises:
        NotFound: there is none.
        GrantExceedsOwnPermissions: it acts as a service account with permissions that the actor
            does not have.
    """
    with write_transaction():
        delegation.lock_administration()
        client = get_client(client_id)
        _require_may_act_as(client.service_account_id, context.actor)
        yield client


def set_fields(client: OAuthClient, values: dict[str, Any], actor: Actor) -> list[str]:
    """Set these fields of a client; return the names of those that change."""
    with db.session.no_autoflush:
        changed = [name for name, value in values.items() if getattr(client, name) != value]
        for name in changed:
            setattr(client, name, values[name])
        client_rules.require_valid_client(client)
        if "service_account_id" in changed:
            _require_service_account(client.service_account_id, actor)
    client.version += bool(changed)
    return sorted(changed)


def end_grants(client_id: str, reason: str, context: RequestContext) -> bool:
    """End the next grants of a client; return whether there are more."""
    live = select(OAuthGrant.id).where(OAuthGrant.client_id == client_id)
    live = live.where(OAuthGrant.ended_at.is_(None)).order_by(OAuthGrant.id)
    found = db.session.scalars(live.limit(MAX_ENDED_AT_ONCE + 1)).all()
    locked = grant_lifecycle.lock_grants(OAuthGrant.id.in_(found[:MAX_ENDED_AT_ONCE]))
    grant_lifecycle.end_grants(locked, reason, context)
    return len(found) > MAX_ENDED_AT_ONCE


def end_grants_of_disabled_clients() -> bool:
    """End the next grants of disabled clients; return whether there may be more (see `cleanup`)."""
    live = select(OAuthGrant.client_id).join(OAuthClient, OAuthClient.id == OAuthGrant.client_id)
    live = live.where(OAuthClient.enabled.is_(False), OAuthGrant.ended_at.is_(None))
    client_id = db.session.scalar(live.limit(1))
    if client_id:
        end_grants(client_id, CLIENT_CHANGED, BACKGROUND)
    return client_id is not None


def _require_free_id(client_id: str) -> None:
    if not re.fullmatch(CLIENT_ID, client_id, re.ASCII):
        reject_field("client_id", "invalid", ID_MESSAGE)
    if client_id == FIRST_PARTY_CLIENT or UUID_LIKE.fullmatch(client_id):
        reject_field("client_id", "reserved", "This id could be taken for another one.")
    if db.session.get(OAuthClient, client_id):
        raise ClientExists


def _require_service_account(account_id: UUID | None, actor: Actor) -> None:
    if account_id and db.session.get(ServiceAccount, account_id) is None:
        reject_field("service_account_id", "unknown", "There is no such service account.")
    _require_may_act_as(account_id, actor)


def _require_may_act_as(account_id: UUID | None, actor: Actor) -> None:
    """Require that the actor has for ever what the client may do as a service account."""
    if account_id:
        given = [row.role for row in accounts.list_roles(account_id)]
        granted = catalog.read_catalog().grants_of(given)
        delegation.get_lasting_grant_limit(actor).require(granted)
