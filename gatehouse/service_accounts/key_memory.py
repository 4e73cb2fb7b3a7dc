"""The API keys in the memory of each worker, by their digests: verifying one needs no query.

The thread that follows the feed (`tokens.sync`) reads one row every 0.4 s: the versions of the keys
and of the catalogue of roles. If one of them has changed, it reads all keys again. Every change of
what a key may do increases the version in its own transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, cast
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import select, update

from gatehouse.authorization import api_keys
from gatehouse.core import clock
from gatehouse.database.after_commit import run_after_commit
from gatehouse.database.session import db
from gatehouse.database.statements import fetch_all, fetch_one
from gatehouse.tokens import sync
from gatehouse.web.request_context import SERVICE_ACCOUNT, Actor
from models import ApiKeyVersion, RoleCatalogVersion

EXTENSION = "gatehouse.api_keys"
COMPLETE_INTERVAL = timedelta(seconds=60)
"""How often all keys are read without a change, because their owners can be enabled again."""
SELECT_VERSIONS = select(
    select(ApiKeyVersion.version).scalar_subquery(),
    select(RoleCatalogVersion.version).scalar_subquery(),
)
INCREASE_VERSION = update(ApiKeyVersion).values(version=ApiKeyVersion.version + 1)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """An API key, and what it may do now."""

    id: UUID
    service_account_id: UUID
    permissions: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]
    expires_at: datetime
    is_revoked: bool
    is_enabled: bool

    @property
    def sub(self) -> str:
        """The id of the service account, as in the claim of tokens."""
        return str(self.service_account_id)

    @property
    def scope(self) -> str:
        """Its permissions, as in the claim of tokens."""
        return " ".join(sorted(self.permissions))

    @property
    def actor(self) -> Actor:
        """Who acts when it is used."""
        return Actor(SERVICE_ACCOUNT, self.service_account_id, str(self.id))


@dataclass
class KeyMemory:
    """All API keys of the service, as they were at a version; replaced as a whole."""

    keys: Mapping[str, KnownKey] = field(default_factory=dict)
    """By their digests."""
    versions: tuple[int, int] | None = None
    read_at: timedelta = timedelta(0)
    """The uptime when they were read."""
    changes_at: datetime | None = None
    """When the first of the roles expires."""

    def is_current(self, versions: tuple[int, int]) -> bool:
        """Return whether the keys need not be read again."""
        is_recent = timedelta(0) <= clock.uptime() - self.read_at < COMPLETE_INTERVAL
        is_unexpired = self.changes_at is None or clock.now() < self.changes_at
        return self.versions == versions and is_recent and is_unexpired


def set_up(app: Flask) -> None:
    """Set up the memory of an application, and let it follow the feed."""
    app.extensions[EXTENSION] = KeyMemory()
    sync.follow(app, refresh_keys)


def current_memory() -> KeyMemory:
    """Return the keys that this worker knows.

    Raises:
        ServiceUnavailable: they were last read more than 5 seconds ago.
    """
    tokens = sync.current_state()
    tokens.require_keys()
    if _memory().versions is None and not tokens.synced_in_background:
        refresh_keys()
    return _memory()


def refresh_keys() -> None:
    """Read the keys again if they have changed.

    The versions are read first: what is newer than them is read once more.
    """
    memory = _memory()
    versions = cast(tuple[int, int], tuple(fetch_one(SELECT_VERSIONS)))
    if memory.is_current(versions):
        return
    read_at, rows = clock.uptime(), fetch_all(api_keys.SELECT_KEYS)
    ends = [row.roles_expire_at for row in rows if row.roles_expire_at]
    memory.keys = {row.digest: _known_key(row) for row in rows}
    memory.changes_at, memory.read_at = min(ends, default=None), read_at
    memory.versions = versions


def record_change() -> None:
    """Let all workers read the keys again, after the current transaction."""
    db.session.execute(INCREASE_VERSION)
    run_after_commit(_outdate)


def record_end(key_id: UUID) -> None:
    """Reject a revoked key in this worker as soon as the current transaction is committed."""
    run_after_commit(partial(_mark_revoked, key_id))


def _outdate() -> None:
    _memory().versions = None


def _mark_revoked(key_id: UUID) -> None:
    """Mark a key as revoked; the keys are read again, as a refresh may have replaced them."""
    memory = _memory()
    memory.keys = {
        digest: replace(key, is_revoked=key.is_revoked or key.id == key_id)
        for digest, key in memory.keys.items()
    }
    _outdate()


def _known_key(row: Any) -> KnownKey:
    networks = tuple(ip_network(network) for network in row.networks)
    return KnownKey(
        *(row.id, row.service_account_id, api_keys.permissions_of(row), networks, row.expires_at),
        is_revoked=row.revoked_at is not None,
        is_enabled=bool(row.is_enabled),
    )


def _memory() -> KeyMemory:
    return cast(KeyMemory, current_app.extensions[EXTENSION])
