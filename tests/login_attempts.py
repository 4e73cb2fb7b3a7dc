"""Password attempts from chosen IP addresses and devices, and the counters of their failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.database.session import db
from gatehouse.lockout.counters import NOT_WAITING
from models import FailedAttemptCounter
from tests.client import Client
from tests.recording_hashers import HasherCalls, record_hasher_calls

ADA = "ada@example.com"
WRONG = "not her password at all"
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"

AttemptLogin = Callable[..., TestResponse]


@pytest.fixture
def attempt_login(client: Client) -> AttemptLogin:
    """Try to log in: attempt_login(), attempt_login("ada", PASSWORD, ip_address=..., device=...).

    Further keywords are fields of the form.
    """

    def attempt(
        identifier: str = ADA,
        password: str = WRONG,
        ip_address: str = HERE,
        device: str = "",
        **fields: str,
    ) -> TestResponse:
        form = {"identifier": identifier, "password": password, **fields}
        sender = {"REMOTE_ADDR": ip_address}
        headers = {"X-Device-Token": device} if device else {}
        return client.post("/auth/login", form, headers=headers, environ_overrides=sender)

    return attempt


@pytest.fixture
def hasher_calls(monkeypatch: pytest.MonkeyPatch) -> HasherCalls:
    """The calls of the password hashers."""
    return record_hasher_calls(monkeypatch)


def attempt_times(attempt_login: AttemptLogin, times: int, *what: str, **where: Any) -> list[int]:
    """Try to log in so many times; return the statuses."""
    return [attempt_login(*what, **where).status_code for _ in range(times)]


def attempt_from_networks(
    attempt_login: AttemptLogin, networks: int, identifier: str = ADA
) -> list[int]:
    """Try to log in four times from each network, as often as none has to wait."""
    return [
        status
        for number in range(networks)
        for status in attempt_times(attempt_login, 4, identifier, ip_address=f"10.0.{number}.1")
    ]


def set_failures(app: Flask, failures: int) -> None:
    """Set every counter with failures to this number, and let it block nothing."""
    counted = sa.update(FailedAttemptCounter).where(FailedAttemptCounter.failures > 0)
    with app.app_context():
        db.session.execute(counted.values(failures=failures, blocked_until=NOT_WAITING))
        db.session.commit()
