"""Fixtures of the tests of sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.client import Client, CookieClient, User


@pytest.fixture
def wait(time_machine: Any) -> Callable[..., None]:
    """Move the clock forward, which stands still otherwise: a slow machine misses no limit."""
    time_machine.move_to(datetime.now(UTC), tick=False)
    return lambda **delta: time_machine.shift(timedelta(**delta))


@pytest.fixture
def user(make_user: Callable[..., User]) -> User:
    return make_user()


@pytest.fixture
def tokens(client: Client, user: User) -> dict[str, Any]:
    """The token response of a login in body mode."""
    return client.log_in(user)


@pytest.fixture
def cookie_tokens(browser_client: CookieClient, user: User) -> dict[str, Any]:
    """The token response of a login in cookie mode, with its cookies."""
    return browser_client.log_in(user)


@pytest.fixture
def mine(browser_client: CookieClient, cookie_tokens: dict[str, Any]) -> CookieClient:
    """A browser with the cookies of a signed-in user."""
    return browser_client.as_(cookie_tokens)
