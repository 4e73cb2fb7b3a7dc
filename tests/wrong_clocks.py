"""Replicas whose clocks are wrong, in one process and on one database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from gatehouse.core import clock
from gatehouse.database import clock as database_clock
from gatehouse.database.session import UTCDateTime
from gatehouse.operations import cleanup
from gatehouse.tokens import sync
from gatehouse.tokens.worker_state import TokenState
from tests.client import Client


class Clocks:
    """All clocks of a test: `passed` moves them all, `server_error` only PostgreSQL's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed = self.server_error = timedelta(0)
        self._uptime, self._server_time = clock.uptime, database_clock.server_time
        started = clock.monotonic()  # stands still: no state is stale on a slow machine
        monkeypatch.setattr(clock, "monotonic", lambda: started)
        monkeypatch.setattr(clock, "timeline", clock.Timeline())
        monkeypatch.setattr(clock, "uptime", lambda: self._uptime() + self.passed)
        monkeypatch.setattr(database_clock, "server_time", self._moved_server_time)

    def wait(self, **duration: float) -> None:
        """Let time pass, by all clocks."""
        self.passed += timedelta(**duration)

    @contextmanager
    def machine(self, error: timedelta, timeline: clock.Timeline) -> Iterator[None]:
        """Be on a machine whose clock is wrong by `error`."""
        real = datetime.now(UTC)
        others, clock.timeline = clock.timeline, timeline
        try:
            with time_machine.travel(real + self.passed + error):
                yield
        finally:
            clock.timeline = others

    def _moved_server_time(self) -> sa.ColumnElement[datetime]:
        move = sa.literal(self.passed + self.server_error, sa.Interval())
        return sa.type_coerce(self._server_time() + move, UTCDateTime())


@dataclass
class Replica:
    """A replica on a machine of its own, whose clock is wrong by `error`."""

    app: Flask
    clocks: Clocks
    error: timedelta = timedelta(0)
    timeline: clock.Timeline = field(default_factory=clock.Timeline)

    def __post_init__(self) -> None:
        self.sync()
        self.state.synced_in_background = True

    @property
    def state(self) -> TokenState:
        """Its token state."""
        state: TokenState = self.app.extensions["gatehouse.tokens"]
        return state

    @property
    def is_on_sqlite(self) -> bool:
        """Whether the database's clock is the machine's."""
        return str(self.app.config["SQLALCHEMY_DATABASE_URI"]).startswith("sqlite")

    @property
    def now(self) -> datetime:
        """What it takes for the time."""
        with self.running():
            return clock.now()

    @contextmanager
    def running(self) -> Iterator[Client]:
        """Run on its machine; yield a client of it."""
        with self.clocks.machine(self.error, self.timeline):
            yield Client(self.app.test_client)

    def sync(self) -> None:
        """Do what the sync thread does every 0.4 s."""
        with self.running(), self.app.app_context():
            sync.refresh()

    def clean_up(self) -> None:
        """Do what the cleanup thread does every ten minutes."""
        with self.running(), self.app.app_context():
            cleanup.run_cleanup()

    def log_in(self, user: Any) -> dict[str, Any]:
        """Log a user in."""
        with self.running() as client:
            return client.log_in(user)

    def log_out(self, tokens: dict[str, Any]) -> None:
        """End a session."""
        with self.running() as client:
            assert client.as_(tokens).post("/auth/logout").status_code == 204

    def answer(self, tokens: dict[str, Any]) -> str:
        """Sync, and return how an access token is answered: `accepted` or the error's code."""
        self.sync()
        with self.running() as client:
            response = client.as_(tokens).get("/auth/me")
        return "accepted" if response.status_code == 200 else str(response.json["code"])

    def refresh(self, tokens: dict[str, Any]) -> int:
        """Return the status of a refresh."""
        with self.running() as client:
            return client.refresh(tokens).status_code


def set_database_clock(clocks: Clocks, replicas: list[Replica], by: timedelta) -> None:
    """Set the database's clock, which on SQLite is that of the machine of all replicas."""
    clocks.server_error = by
    if replicas[0].is_on_sqlite:
        for replica in replicas:
            replica.error = by
