"""Define hooks: create, change and delete them, and rotate their secrets.

Every change takes the lock of administration first, and gives the row its next version.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from gatehouse.audit.administration_events import Hooks
from gatehouse.audit.service import record
from gatehouse.core import crypto
from gatehouse.core.errors import NotFound, reject_field
from gatehouse.database.pages import NewestFirst, Position
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.hooks import (
    catalog,
    delivery_queue,
    kinds,
    memory,
    stored_secrets,
    subscriptions,
)
from gatehouse.hooks.errors import HookExists, TooManyHooks
from gatehouse.net import http_client
from gatehouse.net.http_client import OutboundRequestBlocked
from gatehouse.web.request_context import RequestContext
from models import Hook

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
NAME_MESSAGE = "Use lower-case letters, digits, dots, - and _ for the name."
MAX_HOOKS, MAX_URL_LENGTH = 50, 2000
DEFAULT_OVERLAP, MAX_OVERLAP = timedelta(hours=24), timedelta(days=7)


@dataclass(frozen=True)
class HookChange:
    """What to set of a hook; None keeps it."""

    name: str | None = None
    url: str | None = None
    events: Sequence[str] | None = None
    on_failure: str | None = None
    timeout_ms: int | None = None
    enabled: bool | None = None


@dataclass(frozen=True)
class CreatedSecret:
    """A hook with a new secret, which is shown once."""

    row: Hook
    secret: str


def list_hooks(limit: int, after: Position | None = None) -> tuple[list[Hook], Position | None]:
    """Return a page of the hooks, the newest first."""
    rows, following = NewestFirst(Hook.created_at, Hook.id).fetch_page(select(Hook), limit, after)
    return [row.Hook for row in rows], following


def get_hook(hook_id: UUID) -> Hook:
    """Return a hook.

    Raises:
        NotFound: there is none.
    """
    hook = db.session.get(Hook, hook_id, populate_existing=True)
    if hook is None:
        raise NotFound
    return hook


def create_hook(kind: str, change: HookChange, context: RequestContext) -> CreatedSecret:
    """Create a hook; `name`, `url`, and `events` or `on_failure` are needed.

    Raises:
        HookExists: there is one of this name.
        TooManyHooks: there are MAX_HOOKS.
        ValidationFailed: the URL is not allowed, or something does not belong to this kind.
    """
    with write_transaction():
        lock_hooks()
        if db.session.scalars(select(func.count()).select_from(Hook)).one() >= MAX_HOOKS:
            raise TooManyHooks
        hook = Hook(id=crypto.new_id(), kind=kind, name="", url="", events=[], enabled=True)
        hook.timeout_ms = kinds.MAX_TIMEOUT if kind in kinds.BLOCKING else None
        fields = _set_fields(hook, change)
        _require_complete(hook)
        secrets = stored_secrets.create()
        hook.secrets = stored_secrets.encrypt(secrets, hook.id)
        db.session.add(hook)
        record(Hooks.CREATED, context, **_event_data(hook), kind=kind, fields=fields)
        return CreatedSecret(hook, secrets.current)


def change_hook(hook_id: UUID, change: HookChange, context: RequestContext) -> Hook:
    """Change a hook; one that is enabled is not paused any more.

    Raises:
        NotFound: there is none.
        HookExists, ValidationFailed: see `create_hook`.
    """
    with write_transaction():
        hook = lock_hook(hook_id)
        fields = _set_fields(hook, change)
        _require_complete(hook)
        if change.enabled:
            hook.paused_at = hook.paused_reason = hook.failing_since = None
            delivery_queue.resume_deliveries(hook_id)
        hook.version += 1
        record(Hooks.CHANGED, context, **_event_data(hook), fields=fields)
        return hook


def delete_hook(hook_id: UUID, context: RequestContext) -> None:
    """Delete a hook: nothing is sent to it any more.

    Its deliveries go first, which takes long if there are many: what happens meanwhile, such as a
    login, waits only for the deletion of the hook itself.

    Raises:
        NotFound: there is none.
    """
    with write_transaction():
        hook = lock_hook(hook_id)
        delivery_queue.delete_deliveries(hook_id)
        record(Hooks.DELETED, context, **_event_data(hook))
        db.session.delete(hook)


def rotate_secret(hook_id: UUID, overlap: timedelta, context: RequestContext) -> CreatedSecret:
    """Replace the secret of a hook; messages have signatures by both for the overlap.

    Raises:
        NotFound: there is none.
    """
    with write_transaction():
        hook = lock_hook(hook_id)
        current = stored_secrets.decrypt_or_none(hook.secrets, hook.id)
        secrets = stored_secrets.rotate(current, overlap)
        hook.secrets = stored_secrets.encrypt(secrets, hook.id)
        hook.version += 1
        record(Hooks.SECRET_ROTATED, context, **_event_data(hook))
        return CreatedSecret(hook, secrets.current)


def lock_hooks() -> None:
    """Let one change of hooks at a time proceed; this worker reads them again after it."""
    subscriptions.record_change()
    advisory_lock("hooks")
    memory.record_change()


def lock_hook(hook_id: UUID) -> Hook:
    """Lock the hooks for a change of one of them, in the write transaction; return it.

    Raises:
        NotFound: there is none.
    """
    lock_hooks()
    return get_hook(hook_id)


def serialize_hook(hook: Hook) -> dict[str, object]:
    """Return a hook as administrators see it, without its secrets."""
    secrets = stored_secrets.decrypt_or_none(hook.secrets, hook.id)
    is_rotating = secrets is not None and len(secrets.active) > 1
    return {
        "id": str(hook.id),
        "name": hook.name,
        "kind": hook.kind,
        "url": hook.url,
        "events": hook.events,
        "on_failure": hook.on_failure,
        "timeout_ms": hook.timeout_ms,
        "enabled": hook.enabled,
        "paused_at": hook.paused_at,
        "paused_reason": hook.paused_reason,
        "previous_secret_until": secrets.previous_until if secrets and is_rotating else None,
        "created_at": hook.created_at,
        "updated_at": hook.updated_at,
    }


def _set_fields(hook: Hook, change: HookChange) -> list[str]:
    """Set what is given; return the names of the fields."""
    if change.name is not None:
        _require_free_name(change.name, hook)
    if change.url is not None:
        _require_allowed_url(change.url)
    for name in change.events or ():
        if name not in (kinds.ALL_EVENTS, *catalog.SELECTABLE):
            reject_field("events", "unknown_event", f"There is no event {name}.")
    given = {name: value for name, value in vars(change).items() if value is not None}
    for name, value in given.items():
        setattr(hook, name, sorted(set(value)) if name == "events" else value)
    return sorted(given)


def _require_free_name(name: str, hook: Hook) -> None:
    if not re.fullmatch(NAME, name, re.ASCII):
        reject_field("name", "invalid", NAME_MESSAGE)
    with db.session.no_autoflush:
        taken = db.session.scalar(select(Hook.id).where(Hook.name == name))
    if taken not in (None, hook.id):
        raise HookExists


def _require_allowed_url(url: str) -> None:
    """Require a URL that messages can be sent to; its IP addresses are checked at each request."""
    if len(url) > MAX_URL_LENGTH:
        reject_field("url", "too_long", f"Use at most {MAX_URL_LENGTH} characters.")
    try:
        http_client.require_allowed_url(url)
    except OutboundRequestBlocked as error:
        reject_field("url", "url_not_allowed", str(error))


def _require_complete(hook: Hook) -> None:
    """Require what the kind needs, and nothing that belongs to other kinds only."""
    if hook.kind != kinds.WEBHOOK and hook.events:
        reject_field("events", "not_of_this_kind", "Only webhooks have events.")
    if hook.kind == kinds.WEBHOOK and not hook.events:
        reject_field("events", "required", "Name the events, or * for all of them.")
    if hook.kind != kinds.WEBHOOK and not hook.on_failure:
        reject_field("on_failure", "required", "Say what happens while the hook does not answer.")
    for name in ("on_failure", "timeout_ms"):
        if hook.kind == kinds.WEBHOOK and getattr(hook, name) is not None:
            reject_field(name, "not_of_this_kind", "Only blocking hooks have this.")


def _event_data(hook: Hook) -> dict[str, Any]:
    return {"hook_id": str(hook.id), "name": hook.name}
