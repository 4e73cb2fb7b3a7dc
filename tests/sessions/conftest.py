"""Fixtures of the tests of sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.client import Client, User


@pytest.fixture
def user(make_user: Callable[..., User]) -> User:
    return make_user()


@pytest.fixture
def tokens(client: Client, user: User) -> dict[str, Any]:
    """The TokenAnswer of somebody who has just logged in."""
    return client.log_in(user)
