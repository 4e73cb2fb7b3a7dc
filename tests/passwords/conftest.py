"""The flows that set a password, and a restart of the application with other settings."""

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
from tests.mail_links import read_link_token

ADA = "ada@example.com"


@pytest.fixture
def restart(settings_environment: dict[str, str], app: Flask) -> Iterator[Callable[..., Flask]]:
    """Return a function that restarts the application with changed settings."""
    with ExitStack() as stack:

        def start(**changes: str) -> Flask:
            restarted = create_app(Settings.from_environment(settings_environment | changes))
            stack.callback(dispose, restarted)
            return restarted

        yield start


def dispose(app: Flask) -> None:
    """Close the connections of an application."""
    with app.app_context():
        db.engine.dispose()


class PasswordFlow:
    """A flow that sets a password: `set` sends it, `log_in` tries one afterwards."""

    def __init__(self, client: Client, begin: Callable[[], Callable[[str], TestResponse]]) -> None:
        self._client = client
        self.set = begin()

    def log_in(self, password: str) -> int:
        """Log in with a password; return the status."""
        form = {"identifier": ADA, "password": password}
        return self._client.post("/auth/login", form).status_code


@pytest.fixture(params=["register", "change", "invitation"])
def flow(request: pytest.FixtureRequest, app: Flask, client: Client) -> PasswordFlow:
    """Return each of the flows that set a password, for the same user."""

    def register() -> Callable[[str], TestResponse]:
        def send(password: str) -> TestResponse:
            response = client.register(ADA, password)
            return client.verify(ADA) if response.status_code == 202 else response

        return send

    def change() -> Callable[[str], TestResponse]:
        user = client.sign_up(User(ADA))
        signed_in = client.as_(client.log_in(user))
        return lambda password: signed_in.post(
            "/auth/password/change", {"current_password": user.password, "password": password}
        )

    def invitation() -> Callable[[str], TestResponse]:
        app.test_cli_runner().invoke(args=["users", "invite", ADA])
        token = read_link_token(client, ADA)
        return lambda password: client.post(
            "/auth/invitation", {"token": token, "password": password}
        )

    begin = {"register": register, "change": change, "invitation": invitation}
    return PasswordFlow(client, begin[request.param])
