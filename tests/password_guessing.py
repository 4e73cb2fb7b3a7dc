"""Somebody guesses passwords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.database.session import db
from gatehouse.lockout.service import NEVER
from models import GuessCounter
from tests.client import Client
from tests.watched import Notes, watch

ADA = "ada@example.com"
WRONG = "not her password at all"
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"

Guess = Callable[..., TestResponse]


@pytest.fixture
def guess(client: Client) -> Guess:
    """Try to log in: guess(), guess("ada", PASSWORD, address=..., device=...)."""

    def guess(
        identifier: str = ADA, password: str = WRONG, address: str = HERE, device: str = ""
    ) -> TestResponse:
        form = {"identifier": identifier, "password": password}
        sender = {"REMOTE_ADDR": address}
        headers = {"X-Device-Token": device} if device else {}
        return client.post("/auth/login", form, headers=headers, environ_overrides=sender)

    return guess


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    """What the password hashers did."""
    return watch(monkeypatch)


def statuses(guess: Guess, times: int, *what: str, **where: Any) -> list[int]:
    """Guess so many times; return what was answered."""
    return [guess(*what, **where).status_code for _ in range(times)]


def from_many_networks(guess: Guess, networks: int, identifier: str = ADA) -> list[int]:
    """Guess four times from each network, which is as often as none has to wait."""
    addresses = [f"10.0.{number}.1" for number in range(networks)]
    return [status for a in addresses for status in statuses(guess, 4, identifier, address=a)]


def set_counters(app: Flask, failures: int) -> None:
    """Let every counter that has seen failures have seen so many, and wait for nothing."""
    counted = sa.update(GuessCounter).where(GuessCounter.failures > 0)
    with app.app_context():
        db.session.execute(counted.values(failures=failures, waits_until=NEVER))
        db.session.commit()
