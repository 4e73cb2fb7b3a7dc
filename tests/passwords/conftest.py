"""Every way to set a password, and the same database after a restart with other settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from gatehouse.database.session import db
from tests.client import Client, User
from tests.letters import link_token

ADA = "ada@example.com"


@pytest.fixture
def restart(settings_environment: dict[str, str], app: Flask) -> Iterator[Callable[..., Flask]]:
    """Start the application anew, with some settings changed: restart(GATEHOUSE_...="...")."""
    with ExitStack() as stack:

        def start(**changes: str) -> Flask:
            again = create_app(Settings.from_environment(settings_environment | changes))
            stack.callback(dispose, again)
            return again

        yield start


def dispose(app: Flask) -> None:
    """Close the connections of an application."""
    with app.app_context():
        db.engine.dispose()


class Path:
    """A way to set a password: `set` sends it, `log_in` tries one afterwards."""

    def __init__(self, client: Client, begin: Callable[[], Callable[[str], TestResponse]]) -> None:
        self._client = client
        self.set = begin()

    def log_in(self, password: str) -> int:
        """Try a password; return the status."""
        form = {"identifier": ADA, "password": password}
        return self._client.post("/auth/login", form).status_code


@pytest.fixture(params=["register", "change", "invitation"])
def path(request: pytest.FixtureRequest, app: Flask, client: Client) -> Path:
    """Lend each of the ways to set a password, for the same person."""

    def register() -> Callable[[str], TestResponse]:
        def send(password: str) -> TestResponse:
            answer = client.register(ADA, password)
            return client.verify(ADA) if answer.status_code == 202 else answer

        return send

    def change() -> Callable[[str], TestResponse]:
        user = client.sign_up(User(ADA))
        signed_in = client.as_(client.log_in(user))
        return lambda password: signed_in.post(
            "/auth/password/change", {"current_password": user.password, "password": password}
        )

    def invitation() -> Callable[[str], TestResponse]:
        app.test_cli_runner().invoke(args=["users", "invite", ADA])
        token = link_token(client, ADA)
        return lambda password: client.post(
            "/auth/invitation", {"token": token, "password": password}
        )

    begin = {"register": register, "change": change, "invitation": invitation}
    return Path(client, begin[request.param])
