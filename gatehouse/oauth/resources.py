"""Resources: the APIs that clients get access tokens for (RFC 8707), and their scopes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select

import config
from gatehouse.audit.oauth_events import Clients
from gatehouse.audit.service import record
from gatehouse.authorization import delegation
from gatehouse.core import crypto
from gatehouse.core.errors import NotFound, reject_field
from gatehouse.database.pages import NewestFirst, Position
from gatehouse.database.session import db, write_transaction
from gatehouse.oauth.client_errors import ResourceExists, ResourceInUse
from gatehouse.web.request_context import RequestContext
from models import OAuthClient, OAuthResource

OPENID_SCOPES = ("openid", "profile", "email", "phone", "roles", "offline_access")
RESERVED_SCOPES = (*OPENID_SCOPES, "address")
"""Scopes of OpenID Connect (Core section 5.4), which are no resource's."""
AUDIENCE = r"[A-Za-z][A-Za-z0-9+.-]*:[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+"
"""An absolute URI without a fragment (RFC 8707 section 2)."""
SCOPE = r"[\x21\x23-\x5b\x5d-\x7e]{1,64}"
"""A scope-token (RFC 6749 section 3.3)."""
MAX_AUDIENCE_LENGTH, MAX_SCOPES, MAX_SENTENCE_LENGTH = 255, 100, 200


@dataclass(frozen=True)
class ResourceChange:
    """What to set of a resource; None keeps it."""

    name: str | None = None
    scopes: Mapping[str, str] | None = None
    """What each scope allows, in words for the consent page, by its name."""


def find_resource(audience: str) -> OAuthResource | None:
    """Return a resource by its audience, or None."""
    if not re.fullmatch(AUDIENCE, audience, re.ASCII):
        return None
    return db.session.scalar(select(OAuthResource).where(OAuthResource.audience == audience))


def list_resources(
    limit: int, after: Position | None = None
) -> tuple[list[OAuthResource], Position | None]:
    """Return a page of the resources, the newest first."""
    order = NewestFirst(OAuthResource.created_at, OAuthResource.id)
    rows, following = order.fetch_page(select(OAuthResource), limit, after)
    return [row.OAuthResource for row in rows], following


def get_resource(resource_id: UUID) -> OAuthResource:
    """Return a resource.

    Raises:
        NotFound: there is none.
    """
    resource = db.session.get(OAuthResource, resource_id, populate_existing=True)
    if resource is None:
        raise NotFound
    return resource


def create_resource(
    audience: str, change: ResourceChange, context: RequestContext
) -> OAuthResource:
    """Create a resource; `name` is needed.

    Raises:
        ResourceExists: there is one with this audience.
        ValidationFailed: the audience or a scope is not allowed.
    """
    with write_transaction():
        delegation.lock_administration()
        _require_allowed_audience(audience)
        if find_resource(audience):
            raise ResourceExists
        resource = OAuthResource(id=crypto.new_id(), audience=audience, name="", scopes={})
        fields = _set_fields(resource, change)
        db.session.add(resource)
        record(Clients.RESOURCE_CREATED, context, audience=audience, fields=fields)
        return resource


def change_resource(
    resource_id: UUID, change: ResourceChange, context: RequestContext
) -> OAuthResource:
    """Change a resource; tokens that were given keep the scopes that they have.

    Raises:
        NotFound: there is none.
        ValidationFailed: a scope is not allowed.
    """
    with write_transaction():
        delegation.lock_administration()
        resource = get_resource(resource_id)
        fields = _set_fields(resource, change)
        resource.version += 1
        record(Clients.RESOURCE_CHANGED, context, audience=resource.audience, fields=fields)
        return resource


def delete_resource(resource_id: UUID, context: RequestContext) -> None:
    """Delete a resource.

    Raises:
        NotFound: there is none.
        ResourceInUse: clients are registered for it.
    """
    with write_transaction():
        delegation.lock_administration()
        resource = get_resource(resource_id)
        if users := _list_clients_of(resource):
            raise ResourceInUse(f"These clients are registered for it: {', '.join(users)}.")
        record(Clients.RESOURCE_DELETED, context, audience=resource.audience)
        db.session.delete(resource)


def serialize_resource(resource: OAuthResource) -> dict[str, object]:
    """Return a resource as administrators see it."""
    return {
        "id": str(resource.id),
        "audience": resource.audience,
        "name": resource.name,
        "scopes": resource.scopes,
        "created_at": resource.created_at,
        "updated_at": resource.updated_at,
    }


def _set_fields(resource: OAuthResource, change: ResourceChange) -> list[str]:
    """Set what is given; return the names of the fields."""
    given = {name: value for name, value in vars(change).items() if value is not None}
    if change.scopes is not None:
        _require_allowed_scopes(change.scopes)
        given["scopes"] = dict(sorted(change.scopes.items()))
    for name, value in given.items():
        setattr(resource, name, value)
    return sorted(given)


def _require_allowed_audience(audience: str) -> None:
    """Require an absolute URI that is none of ours: our tokens are for people and for us."""
    settings = config.settings()
    if len(audience) > MAX_AUDIENCE_LENGTH or not re.fullmatch(AUDIENCE, audience, re.ASCII):
        message = "Write an absolute URI without #, such as https://api.example.com."
        reject_field("audience", "invalid", message)
    own = {urlsplit(uri)[:2] for uri in (settings.public_url, settings.audience)}
    parts = urlsplit(audience.lower())
    if audience == settings.audience or (parts.netloc and parts[:2] in own):
        reject_field("audience", "reserved", "This is an audience of Gatehouse itself.")


def _require_allowed_scopes(scopes: Mapping[str, str]) -> None:
    if len(scopes) > MAX_SCOPES:
        reject_field("scopes", "too_long", f"A resource has at most {MAX_SCOPES} scopes.")
    for name in scopes:
        if not re.fullmatch(SCOPE, name, re.ASCII):
            message = f"{name!r} is no scope: use 1 to 64 visible ASCII characters, no quotes."
            reject_field("scopes", "invalid", message)
        if name in RESERVED_SCOPES:
            reject_field("scopes", "reserved", f"{name} is a scope of OpenID Connect.")


def _list_clients_of(resource: OAuthResource) -> Sequence[str]:
    """Return the ids of the clients that are registered for a resource."""
    rows = db.session.execute(select(OAuthClient.id, OAuthClient.resources)).all()
    return sorted(row.id for row in rows if resource.audience in row.resources)
