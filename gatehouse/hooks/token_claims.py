"""Claims of access tokens from hooks: asked before the transaction, kept for ten minutes.

`load_claims` runs where a request that issues tokens begins; `take_claims` reads what it has found,
and asks nothing. Each worker keeps the answers of the users whom it has served last.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TypeAlias, cast
from uuid import UUID

from flask import Flask, current_app, g

from gatehouse.core import clock, metrics
from gatehouse.core.errors import ServiceUnavailable
from gatehouse.database.session import end_transaction
from gatehouse.hooks import answers, kinds, memory
from gatehouse.hooks.answers import Decision, HookFailed
from gatehouse.hooks.blocking import Outcome, record_failures
from gatehouse.hooks.memory import KnownHook
from gatehouse.hooks.questions import Question, ask_hook, start_budget
from gatehouse.hooks.subject import describe_user
from gatehouse.tokens.custom_claims import measure_claims
from gatehouse.web.request_context import RequestContext

EXTENSION = "gatehouse.hook_claims"
LIFETIME = timedelta(minutes=10)
MAX_ENTRIES = 20_000
"""Answers that a worker keeps."""
Claims: TypeAlias = Mapping[str, object]
Key: TypeAlias = tuple[UUID, UUID, int]
"""A user, and a hook with its version."""


@dataclass
class ClaimsCache:
    """The answers of the hooks, and until when (uptime) they are used; the oldest are dropped."""

    entries: OrderedDict[Key, tuple[Claims, timedelta]] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Key) -> Claims | None:
        """Return the claims of an answer that is still used."""
        claims, until = self.entries.get(key, ({}, timedelta(0)))
        return claims if clock.uptime() < until else None

    def put(self, key: Key, claims: Claims) -> None:
        """Keep the claims of an answer."""
        with self.lock:
            self.entries.pop(key, None)
            self.entries[key] = claims, clock.uptime() + LIFETIME
            while len(self.entries) > MAX_ENTRIES:
                self.entries.popitem(last=False)


def set_up(app: Flask) -> None:
    """Set up the cache of an application."""
    app.extensions[EXTENSION] = ClaimsCache()


@dataclass
class LoadedClaims:
    """What a request has found: the claims of a user, and the hooks that failed."""

    user_id: UUID
    claims: dict[str, object] = field(default_factory=dict)
    failures: tuple[Outcome, ...] = ()

    def add(self, claims: Claims) -> None:
        """Add the claims of a hook; those of earlier ones stay.

        Raises:
            HookFailed: together they are too large.
        """
        merged = {**claims, **self.claims}
        if measure_claims(merged) > answers.MAX_CLAIMS_SIZE:
            raise HookFailed("claims_too_large")
        self.claims = merged


def load_claims(user_id: UUID, context: RequestContext) -> None:
    """Find the claims of the tokens that this request issues to a user; no transaction stays open.

    Raises:
        ServiceUnavailable: a hook failed, and declares that no token is issued without its claims.
    """
    g.hook_claims = LoadedClaims(user_id)
    if hooks := memory.list_hooks(kinds.TOKEN_CLAIMS):
        _ask_hooks(hooks, g.hook_claims, context)


def take_claims(user_id: UUID) -> Claims:
    """Return what `load_claims` has found; record the hooks that failed, in this transaction."""
    loaded: LoadedClaims | None = g.get("hook_claims")
    if loaded is None or loaded.user_id != user_id:
        return {}
    record_failures(loaded.failures)
    loaded.failures = ()
    return loaded.claims


def _ask_hooks(hooks: list[KnownHook], loaded: LoadedClaims, context: RequestContext) -> None:
    end_transaction()
    question = Question(kinds.TOKEN_CLAIMS, {}, context, loaded.user_id)
    deadline = start_budget()
    for hook in hooks:
        try:
            loaded.add(_find_claims(hook, question, deadline))
        except HookFailed as failure:
            metrics.HOOK_ANSWERS.labels(hook.kind, "failed").inc()
            outcome = Outcome(hook, question, Decision(hook.on_failure), str(failure))
            loaded.failures += (outcome,)
            if hook.on_failure == kinds.DENY:
                error = ServiceUnavailable()
                error.on_rollback = partial(record_failures, loaded.failures)
                raise error from None


def _find_claims(hook: KnownHook, question: Question, deadline: float) -> Claims:
    """Return the claims of a hook, from the cache or by asking.

    Raises:
        HookFailed: there is no usable answer.
    """
    user_id = cast(UUID, question.user_id)
    key, cache = (user_id, hook.id, hook.version), _cache()
    claims = cache.get(key)
    if claims is None:
        asked = replace(question, data={"user": describe_user(user_id)})
        claims = ask_hook(hook, asked, deadline, answers.parse_claims)
        metrics.HOOK_ANSWERS.labels(hook.kind, "claims").inc()
        cache.put(key, claims)
    return claims


def _cache() -> ClaimsCache:
    return cast(ClaimsCache, current_app.extensions[EXTENSION])
