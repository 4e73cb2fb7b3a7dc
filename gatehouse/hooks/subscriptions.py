"""Which webhooks get which events, in the memory of each worker: publishing needs no query.

The thread that follows the feed (`tokens.sync`) reads the webhooks again every second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import Row, select

from gatehouse.core import clock
from gatehouse.database.after_commit import run_after_commit
from gatehouse.database.session import db
from gatehouse.database.statements import fetch_all
from gatehouse.hooks.kinds import ALL_EVENTS, WEBHOOK
from gatehouse.tokens import sync
from gatehouse.tokens.worker_state import state
from models import Hook

EXTENSION = "gatehouse.webhooks"
INTERVAL = timedelta(seconds=1)
SELECT_WEBHOOKS = select(Hook.id, Hook.events).where(Hook.kind == WEBHOOK, Hook.enabled)


@dataclass
class Subscriptions:
    """The enabled webhooks, and the names of the events that each gets."""

    events: Mapping[UUID, frozenset[str]] | None = None
    """By the id of the webhook; None before they were read for the first time."""
    read_at: timedelta | None = None
    """The uptime when they were read; None before that, and after a change here."""


def set_up(app: Flask) -> None:
    """Set up the memory of an application, and let it follow the feed."""
    app.extensions[EXTENSION] = Subscriptions()
    sync.follow(app, refresh)


def refresh() -> None:
    """Read the webhooks again, unless they were read within the last second."""
    read_at, now = _memory().read_at, clock.uptime()
    if read_at is None or not timedelta(0) <= now - read_at < INTERVAL:
        _replace(fetch_all(SELECT_WEBHOOKS), now)


def find_subscribers(name: str) -> list[UUID]:
    """Return the ids of the enabled webhooks that get an event, for the current transaction.

    Where no thread reads them (commands, tests), they are read here after a change.
    """
    memory, is_followed = _memory(), state().synced_in_background
    if memory.events is None or (memory.read_at is None and not is_followed):
        with db.session.no_autoflush:
            _replace(db.session.execute(SELECT_WEBHOOKS).all(), clock.uptime())
    subscribed = (memory.events or {}).items()
    return [hook_id for hook_id, names in subscribed if names & {name, ALL_EVENTS}]


def has_webhooks() -> bool:
    """Return whether there is an enabled webhook; also where no thread follows the feed."""
    refresh()
    return bool(_memory().events)


def record_change() -> None:
    """Let this worker read the webhooks again, after the current transaction."""
    run_after_commit(_outdate)


def _outdate() -> None:
    _memory().read_at = None


def _replace(rows: Sequence[Row[UUID, list[str]]], read_at: timedelta) -> None:
    memory = _memory()
    memory.events = {hook_id: frozenset(names) for hook_id, names in rows}
    memory.read_at = read_at


def _memory() -> Subscriptions:
    return cast(Subscriptions, current_app.extensions[EXTENSION])
