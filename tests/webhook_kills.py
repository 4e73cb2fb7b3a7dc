"""Events of many users for one webhook, while the workers that deliver them are killed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from flask import Flask

from gatehouse.core.events import UserChanged, publish
from gatehouse.database.session import db, write_transaction
from gatehouse.hooks import definitions
from gatehouse.hooks.definitions import HookChange
from gatehouse.web.request_context import NO_REQUEST
from tests.polling import wait_until
from tests.smtp_fixtures import Workers
from tests.webhook_receiver import Answer, webhook_receiver

LEASE = 12.0
"""Seconds; so long the events of a killed worker wait."""
USERS, STEP = 20, 50


@dataclass
class Accepted:
    """The events that a receiver has accepted; it rejects every fortieth request."""

    ids: list[str] = field(default_factory=list)
    first: dict[str, list[int]] = field(default_factory=dict)
    """By user, the numbers of the events when they came for the first time."""
    requests: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def answer(self, event: dict[str, Any]) -> Answer:
        """Accept or reject an event."""
        if next(self.requests) % 40 == 0:
            return 503, b"", {}
        if event["id"] not in self.ids:
            numbers = self.first.setdefault(event["data"]["user_id"], [])
            numbers.append(int(event["data"]["fields"][0]))
        self.ids.append(event["id"])
        return 200, b"", {}

    @property
    def events(self) -> int:
        """How many different events came."""
        return sum(map(len, self.first.values()))

    @property
    def duplicates(self) -> int:
        """How many came again."""
        return len(self.ids) - len(set(self.ids))

    @property
    def is_in_order(self) -> bool:
        """Whether the events of each user came in their order."""
        return all(numbers == sorted(numbers) for numbers in self.first.values())


def deliver_with_kills(
    app: Flask, environment: Mapping[str, str], count: int, kills: int
) -> Accepted:
    """Deliver events with two workers, of which one is killed from time to time."""
    accepted = Accepted()
    workers = Workers(environment, lambda: ["-m", "tests.webhook_delivery", str(LEASE)])
    with webhook_receiver() as receiver:
        receiver.answer = accepted.answer
        publish_events(app, receiver.url, [uuid4() for _ in range(USERS)], count)
        workers.start(2)
        between = count // (kills + 1) // STEP * STEP
        times_to_kill = range(between, between * (kills + 1), between)
        try:
            for goal in range(0, count + 1, STEP):
                wait_until(lambda goal=goal: accepted.events >= goal)  # type: ignore[misc]
                if goal in times_to_kill:
                    workers.kill_one()
        finally:
            workers.end()
    return accepted


def publish_events(app: Flask, url: str, users: Sequence[UUID], count: int) -> None:
    """Create the webhook, and publish events round the users, 100 in a transaction."""
    with app.app_context():
        change = HookChange("crm", url, events=["user.changed"])
        definitions.create_hook("webhook", change, NO_REQUEST)
        db.session.commit()
        for first in range(0, count, 100):
            with write_transaction():
                for number in range(first, min(first + 100, count)):
                    user_id = users[number % len(users)]
                    publish(UserChanged(user_id, NO_REQUEST, (str(number),)))
            db.session.commit()
