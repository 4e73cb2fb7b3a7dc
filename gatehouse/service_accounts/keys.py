"""API keys of service accounts: create, rotate and revoke them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, update

from gatehouse.audit.administration_events import ServiceAccounts
from gatehouse.audit.service import record
from gatehouse.authorization import catalog, delegation
from gatehouse.core import clock, crypto
from gatehouse.core.errors import NotFound, reject_field
from gatehouse.database.pages import NewestFirst, Position
from gatehouse.database.session import db
from gatehouse.service_accounts import key_format, key_memory
from gatehouse.service_accounts.accounts import changing_account, get_account, list_roles
from gatehouse.service_accounts.errors import ApiKeyEnded, TooManyKeys
from gatehouse.web.request_context import Actor, RequestContext
from models import ApiKey

MAX_ACTIVE_KEYS = 10
"""Of a service account."""
DEFAULT_LIFETIME, MAX_LIFETIME = timedelta(days=90), timedelta(days=366)
DEFAULT_OVERLAP, MAX_OVERLAP = timedelta(hours=24), timedelta(days=7)
DAYS_ANNOUNCED_BEFORE = (3, 14)
"""When the owner is notified of the end; of two notifications that are due only the last one."""
RETENTION = timedelta(days=90)
"""How long a key that has ended is kept, so that its use is rejected with the reason."""


@dataclass(frozen=True)
class NewKey:
    """A key to create."""

    name: str
    permissions: Sequence[str]
    networks: Sequence[str] = ()
    expires_at: datetime | None = None
    """By default after DEFAULT_LIFETIME."""


@dataclass(frozen=True)
class CreatedKey:
    """A new key, and its text, which is shown once."""

    row: ApiKey
    text: str


@dataclass(frozen=True)
class KeyRef:
    """A key of a service account."""

    account_id: UUID
    key_id: UUID


def list_keys(
    account_id: UUID, limit: int, after: Position | None = None
) -> tuple[list[ApiKey], Position | None]:
    """Return a page of the keys of a service account, the newest first.

    Raises:
        NotFound: there is no such service account.
    """
    get_account(account_id)
    own = select(ApiKey).where(ApiKey.service_account_id == account_id)
    rows, following = NewestFirst(ApiKey.created_at, ApiKey.id).fetch_page(own, limit, after)
    return [row.ApiKey for row in rows], following


def get_key(ref: KeyRef) -> ApiKey:
    """Return a key.

    Raises:
        NotFound: the service account has no such key.
    """
    key = db.session.get(ApiKey, ref.key_id, populate_existing=True)
    if key is None or key.service_account_id != ref.account_id:
        raise NotFound
    return key


def create_key(account_id: UUID, wanted: NewKey, context: RequestContext) -> CreatedKey:
    """Create a key.

    Raises:
        NotFound: there is no such service account.
        ValidationFailed: the account does not have a permission, or the end is not within
            MAX_LIFETIME.
        GrantExceedsOwnPermissions: the actor lacks a permission of the key or of its account, or
            has it for a shorter time.
        TooManyKeys: the account has MAX_ACTIVE_KEYS.
    """
    with changing_account(account_id, context):
        end = wanted.expires_at or clock.now() + DEFAULT_LIFETIME
        _require_grantable(account_id, wanted.permissions, end, context.actor)
        networks = [_parse_network(network) for network in wanted.networks]
        return _add(account_id, replace(wanted, networks=networks, expires_at=end), context)


def rotate_key(
    ref: KeyRef, expires_at: datetime | None, overlap: timedelta, context: RequestContext
) -> CreatedKey:
    """Create the successor of a key, which stays valid for the overlap.

    The successor may do the same, for as long as its predecessor was created for.

    Raises:
        NotFound: there is no such key.
        ApiKeyEnded: it has expired, was revoked, or has an active successor.
        ValidationFailed, GrantExceedsOwnPermissions, TooManyKeys: see `create_key`.
    """
    with changing_account(ref.account_id, context):
        key = get_key(ref)
        if not _is_active(key) or _has_active_successor(key):
            raise ApiKeyEnded
        end = expires_at or clock.now() + (key.expires_at - key.created_at)
        _require_grantable(ref.account_id, key.permissions, end, context.actor)
        wanted = NewKey(key.name, key.permissions, key.networks, end)
        created = _add(ref.account_id, wanted, context, replaces=str(key.id))
        key.expires_at = min(key.expires_at, clock.now() + overlap)
        key.successor_id = created.row.id
        return created


def revoke_key(ref: KeyRef, context: RequestContext) -> None:
    """Revoke a key; one that has ended stays as it is.

    Raises:
        NotFound: there is no such key.
        GrantExceedsOwnPermissions: the account has permissions that the actor does not have.
    """
    with changing_account(ref.account_id, context):
        key = get_key(ref)
        if _is_active(key):
            key.revoked_at = clock.now()
            key_memory.record_end(key.id)
            record(ServiceAccounts.KEY_REVOKED, context, **_event_data(key))


def serialize_key(key: ApiKey) -> dict[str, object]:
    """Return a key as administrators see it."""
    return serialize_version(key) | {"last_used_at": key.last_used_at}


def serialize_version(key: ApiKey) -> dict[str, object]:
    """Return what the `ETag` of a key names: all but its last use, which is no change of it."""
    ids = ("id", "created_by", "successor_id")
    names = ("name", "permissions", "networks", "created_at", "expires_at", "revoked_at")
    texts = {name: str(value) if (value := getattr(key, name)) else None for name in ids}
    return texts | {name: getattr(key, name) for name in names}


def revoke_all_keys() -> None:
    """Revoke all keys, of all service accounts, in the current transaction."""
    db.session.execute(update(ApiKey).where(is_active()).values(revoked_at=clock.now()))
    key_memory.record_change()


def purge_ended_keys() -> None:
    """Delete the keys that ended long ago, in the current transaction."""
    long_ago = clock.now() - RETENTION
    ended = or_(ApiKey.expires_at < long_ago, ApiKey.revoked_at < long_ago)
    db.session.execute(delete(ApiKey).where(ended))


def is_active() -> ColumnElement[bool]:
    """Return the condition that a key was not revoked and has not expired."""
    return ApiKey.revoked_at.is_(None) & (ApiKey.expires_at > clock.now())


def _is_active(key: ApiKey) -> bool:
    return key.revoked_at is None and key.expires_at > clock.now()


def _add(account_id: UUID, wanted: NewKey, context: RequestContext, **details: Any) -> CreatedKey:
    active = select(func.count()).where(ApiKey.service_account_id == account_id, is_active())
    if (db.session.scalar(active) or 0) >= MAX_ACTIVE_KEYS:
        raise TooManyKeys
    row = ApiKey(id=crypto.new_id(), service_account_id=account_id, name=wanted.name)
    row.permissions, row.networks = sorted(set(wanted.permissions)), list(wanted.networks)
    row.expires_at = wanted.expires_at or clock.now()
    row.created_at, row.created_by = clock.now(), context.actor.user_id
    lifetime = row.expires_at - row.created_at
    passed = [days for days in DAYS_ANNOUNCED_BEFORE if lifetime <= timedelta(days=days)]
    row.days_announced = min(passed, default=None)  # what is announced now would be no news
    text = key_format.create_key(row.id)
    row.digest = crypto.digest(text)
    db.session.add(row)
    db.session.flush()
    record(ServiceAccounts.KEY_CREATED, context, **_event_data(row), **details)
    return CreatedKey(row, text)


def _has_active_successor(key: ApiKey) -> bool:
    successor = db.session.get(ApiKey, key.successor_id) if key.successor_id else None
    return successor is not None and _is_active(successor)


def _require_grantable(
    account_id: UUID, wanted: Sequence[str], end: datetime, actor: Actor
) -> None:
    """Require that the account has these permissions now, and the actor until the key ends."""
    known = catalog.read_catalog()
    granted = known.permissions_of(row.role for row in list_roles(account_id))
    for name in wanted:
        if name not in granted:
            message = f"No role of the service account grants {name!r}."
            reject_field("permissions", "not_granted", message)
    _require_valid_end(end)
    delegation.get_lasting_grant_limit(actor, end).require(set(wanted))


def _parse_network(network: str) -> str:
    """Return the canonical form of an IP network."""
    try:
        return str(ip_network(network))
    except ValueError:
        message = f"{network!r} is no network; write it like 192.0.2.0/24 or 2001:db8::/32."
        reject_field("networks", "invalid", message)


def _require_valid_end(end: datetime) -> None:
    if not clock.now() < end <= clock.now() + MAX_LIFETIME:
        message = f"Choose a time in the future, at most {MAX_LIFETIME.days} days from now."
        reject_field("expires_at", "out_of_range", message)


def _event_data(key: ApiKey) -> dict[str, Any]:
    return {
        "api_key_id": str(key.id),
        "service_account_id": str(key.service_account_id),
        "name": key.name,
        "permissions": key.permissions,
        "expires_at": clock.format_rfc3339(key.expires_at),
    }
