"""Fixtures of the tests of sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.client import Client, CookieClient, User


@pytest.fixture
def user(make_user: Callable[..., User]) -> User:
    return make_user()


@pytest.fixture
def tokens(client: Client, user: User) -> dict[str, Any]:
    """The TokenAnswer of somebody who has just logged in."""
    return client.log_in(user)


@pytest.fixture
def browser(browser_client: CookieClient) -> CookieClient:
    return browser_client


@pytest.fixture
def held(browser: CookieClient, user: User) -> dict[str, Any]:
    """The answer, and the cookies, of somebody who has just logged in."""
    return browser.log_in(user)


@pytest.fixture
def mine(browser: CookieClient, held: dict[str, Any]) -> CookieClient:
    """Lend the browser of somebody who is signed in."""
    return browser.as_(held)
