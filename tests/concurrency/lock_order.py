"""Record in which order transactions lock what, and find two that contradict each other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

LOCK = re.compile(
    r"\s*(?:UPDATE (?:ONLY )?(?P<updated>\w+)|DELETE FROM (?P<deleted>\w+)"
    r"|INSERT INTO (?P<inserted>\w+).*ON CONFLICT"
    r"|.*\bFROM (?P<selected>\w+)\b.*\bFOR (?:NO KEY )?UPDATE(?: OF (?P<of>\w+))?(?! SKIP))",
    re.DOTALL,
)
"""What locks rows that other transactions may lock: no INSERT of a new row."""


GATES = frozenset({"account", "administration"})
"""Locks that let one transaction of a user at a time pass: behind them, no order is needed."""
MAX_CYCLE = 4


@dataclass(frozen=True)
class Step:
    """A transaction held one lock, and behind gates, when it took another."""

    held: str
    taken: str
    gates: frozenset[str]


@dataclass
class LockOrder:
    """What was held when something was locked, and the flow that did it first."""

    steps: dict[Step, str] = field(default_factory=dict)
    flow: str = ""
    _held: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(self, connection: sa.Connection, lock: str) -> None:
        """Record that the current transaction of a connection takes a lock, unless it has it."""
        held = self._held[id(connection)]
        if lock in held:
            return
        gates = GATES.intersection(held)
        for earlier in held:
            self.steps.setdefault(Step(earlier, lock, gates - {earlier}), self.flow)
        held.append(lock)

    def end(self, connection: sa.Connection) -> None:
        """Record that a transaction has ended."""
        self._held.pop(id(connection), None)

    def contradictions(self) -> set[str]:
        """Return the cycles: transactions that could each wait for the next one's lock.

        Transactions behind a gate that is the same never meet (Havelund, "Using runtime analysis
        to guide model checking of Java programs", 2000: the gate locks of the GoodLock algorithm).
        """
        return {self._describe(cycle) for step in self.steps for cycle in self._cycles([step])}

    def _cycles(self, path: list[Step]) -> Iterator[list[Step]]:
        if path[-1].taken == path[0].held:
            yield path
        elif len(path) < MAX_CYCLE:
            for step in self.steps:
                if step.held == path[-1].taken and _may_meet(step, path):
                    yield from self._cycles([*path, step])

    def _describe(self, cycle: list[Step]) -> str:
        start = cycle.index(min(cycle, key=lambda step: step.held))
        turned = cycle[start:] + cycle[:start]
        return " | ".join(f"{self.steps[one]}: {one.held} -> {one.taken}" for one in turned)


def _may_meet(step: Step, path: list[Step]) -> bool:
    return all(step.gates.isdisjoint(one.gates) and step.taken != one.taken for one in path)


@contextmanager
def recorded_lock_order(engine: sa.Engine) -> Iterator[LockOrder]:
    """Record the locks of all transactions on an engine."""
    found = LockOrder()

    def on_execute(
        connection: sa.Connection, _: object, statement: str, values: Any, *_more: object
    ) -> None:
        if lock := read_lock(statement, values):
            found.take(connection, lock)

    listeners = {"before_cursor_execute": on_execute, "commit": found.end, "rollback": found.end}
    for name, listener in listeners.items():
        sa.event.listen(engine, name, listener)
    try:
        yield found
    finally:
        for name, listener in listeners.items():
            sa.event.remove(engine, name, listener)


def read_lock(statement: str, values: Any) -> str | None:
    """Return what a statement locks: an advisory lock by its kind, or rows of a table."""
    if "pg_advisory_xact_lock" in statement:
        key = values["key"] if isinstance(values, Mapping) else values[0]
        return re.split("[: ]", key)[0]
    found = LOCK.match(statement)
    if not found:
        return None
    named = found.groupdict()
    return named["of"] or next(name for name in named.values() if name)
