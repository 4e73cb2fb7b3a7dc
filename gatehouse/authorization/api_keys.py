"""What API keys may do: of their own permissions, those that their service account has now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from gatehouse.authorization import catalog, roles
from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.web.request_context import Actor
from models import ApiKey, ServiceAccount, User

IS_ENABLED = ServiceAccount.enabled & User.id.is_not(None) & User.disabled_at.is_(None)
"""Whether the service account and its owner are enabled; without an owner it is not."""
SELECT_KEYS = (
    select(
        *(ApiKey.id, ApiKey.service_account_id, ApiKey.digest, ApiKey.permissions),
        *(ApiKey.networks, ApiKey.expires_at, ApiKey.revoked_at),
        IS_ENABLED.label("is_enabled"),
        *roles.assignment_columns(ServiceAccount.id, roles.SERVICE_ACCOUNT_SUBJECT),
    )
    .join(ServiceAccount, ServiceAccount.id == ApiKey.service_account_id)
    .join(User, User.id == ServiceAccount.owner_id, isouter=True)
)


@dataclass(frozen=True)
class KeyRights:
    """What a usable key may do, and until when at least."""

    permissions: frozenset[str] = frozenset()
    last_until: datetime = clock.UNIX_EPOCH


def is_account_enabled(account_id: UUID) -> bool:
    """Return whether a service account and its owner are enabled."""
    found = select(IS_ENABLED).select_from(ServiceAccount)
    found = found.join(User, User.id == ServiceAccount.owner_id, isouter=True)
    return bool(db.session.scalar(found.where(ServiceAccount.id == account_id)))


def get_rights(actor: Actor) -> KeyRights:
    """Return what the key of a service account may do, in the current transaction."""
    key_id = UUID(actor.client_id)
    row = db.session.execute(SELECT_KEYS.where(ApiKey.id == key_id)).one_or_none()
    if row is None or row.revoked_at or not row.is_enabled or row.expires_at <= clock.now():
        return KeyRights()
    ends = [row.expires_at, row.roles_expire_at or row.expires_at]
    return KeyRights(permissions_of(row), min(ends))


def permissions_of(row: Any) -> frozenset[str]:
    """Return the permissions of the key of a row of `SELECT_KEYS`, all for our own audience.

    `LATER_ONES` is never among them, so no key acts on a user with the role `admin`.
    """
    known = catalog.get_catalog(row.catalog_version)
    granted = known.permissions_of((row.given_roles or "").split())
    return frozenset(
        name
        for name in granted.intersection(row.permissions)
        if known.permissions[name].audience is None
    )
