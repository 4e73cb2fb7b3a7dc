"""The blocking hooks in the memory of each worker: whether there are any needs no query.

The thread that follows the feed (`tokens.sync`) reads their versions every 0.4 s, and the hooks
again if one has changed.
"""

from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import select

from gatehouse.database.after_commit import run_after_commit
from gatehouse.database.statements import fetch_all
from gatehouse.hooks import kinds
from gatehouse.net.circuit_breaker import CircuitBreaker
from gatehouse.tokens import sync
from models import Hook

EXTENSION = "gatehouse.hooks"
ENABLED_BLOCKING = (Hook.kind.in_(kinds.BLOCKING), Hook.enabled)
SELECT_VERSIONS = select(Hook.id, Hook.version).where(*ENABLED_BLOCKING)
SELECT_HOOKS = select(
    *(Hook.id, Hook.version, Hook.name, Hook.kind, Hook.url),
    *(Hook.secrets, Hook.on_failure, Hook.timeout_ms),
).where(*ENABLED_BLOCKING)
Versions = frozenset[tuple[UUID, int]]


@dataclass(frozen=True)
class KnownHook:
    """A blocking hook that is enabled."""

    id: UUID
    version: int
    name: str
    kind: str
    url: str
    secrets: bytes = field(repr=False)
    """Encrypted."""
    on_failure: str
    timeout_ms: int
    breaker: CircuitBreaker = field(compare=False, repr=False)


@dataclass
class HookMemory:
    """The blocking hooks, as they were at their versions; replaced as a whole."""

    hooks: tuple[KnownHook, ...] = ()
    """By name."""
    versions: Versions | None = None


def set_up(app: Flask) -> None:
    """Set up the memory of an application, and let it follow the feed."""
    app.extensions[EXTENSION] = HookMemory()
    sync.follow(app, refresh_hooks)


def list_hooks(kind: str) -> list[KnownHook]:
    """Return the enabled hooks of a kind, by name.

    Raises:
        ServiceUnavailable: they were last read more than 5 seconds ago.
    """
    tokens = sync.current_state()
    if tokens.synced_in_background:
        tokens.require_keys()
    elif _memory().versions is None:  # there is no thread: what was read just now is recent enough
        refresh_hooks()
    return [hook for hook in _memory().hooks if hook.kind == kind]


def refresh_hooks() -> None:
    """Read the hooks again if they have changed; what is newer than `versions` is read once more.

    A hook that has not changed keeps the state of its circuit breaker.
    """
    memory = _memory()
    versions = frozenset((row.id, row.version) for row in fetch_all(SELECT_VERSIONS))
    if versions == memory.versions:
        return
    known = {(hook.id, hook.version): hook.breaker for hook in memory.hooks}
    hooks = [
        KnownHook(
            *(row.id, row.version, row.name, row.kind, row.url, row.secrets),
            on_failure=row.on_failure or kinds.DENY,
            timeout_ms=row.timeout_ms or kinds.MAX_TIMEOUT,
            breaker=known.get((row.id, row.version)) or CircuitBreaker(),
        )
        for row in fetch_all(SELECT_HOOKS)
    ]
    memory.hooks = tuple(sorted(hooks, key=lambda hook: hook.name))
    memory.versions = versions


def record_change() -> None:
    """Let this worker read the hooks again, after the current transaction."""
    run_after_commit(_outdate)


def _outdate() -> None:
    _memory().versions = None


def _memory() -> HookMemory:
    return cast(HookMemory, current_app.extensions[EXTENSION])
