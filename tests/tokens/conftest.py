"""Fixtures of the tests of tokens: a token, a forger, an operator, another worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from gatehouse.database.session import db, writing
from gatehouse.tokens import keys, sync
from gatehouse.tokens.worker_state import TokenState
from models import SigningKey
from tests.client import Client, User
from tests.conftest import running
from tests.tokens.forgery import DOORS, Attack, Forger, assert_refused, case
from tests.tokens.status_lists import LIST


@pytest.fixture
def tokens(client: Client, make_user: Callable[..., User]) -> dict[str, Any]:
    """The TokenAnswer of somebody who has just logged in."""
    return client.log_in(make_user())


@pytest.fixture
def forger(app: Flask) -> Forger:
    return Forger(app)


@pytest.fixture
def every_door_refuses(client: Client, tokens: dict[str, Any]) -> Callable[..., None]:
    """Check that no door takes what any of these attacks makes of the token it would take."""

    def check(attacks: Iterable[Attack], code: str = "token_invalid") -> None:
        for attack in attacks:
            for name, door in DOORS.items():
                with case(door=name, attack=attack):
                    assert_refused(door.knock(client, attack(tokens[door.kind])), code)

    return check


@pytest.fixture
def memory(app: Flask) -> TokenState:
    """What the worker knows; from here on it reads the database only when `refresh` says so."""
    state: TokenState = app.extensions["gatehouse.tokens"]
    with app.app_context():
        sync.read()
    state.watched = True
    return state


@pytest.fixture
def fetch(client: Client, memory: TokenState) -> Callable[..., TestResponse]:
    """Fetch a status list as it is after the pause in which a list stays the same."""

    def fetch(path: str = LIST, **request: Any) -> TestResponse:
        memory.lists.clear()
        return client.get(path, **request)

    return fetch


@pytest.fixture
def operate(app: Flask) -> Callable[..., str]:
    """Run `flask keys ...` an hour later and let the worker notice: it returns what was printed.

    Instead of waiting, the keys become older: a next key signs when all workers have read it.
    """

    def run(*arguments: str, status: int = 0) -> str:
        with app.app_context(), writing():
            for row in db.session.scalars(select(SigningKey)):
                row.created_at -= timedelta(hours=1)
            db.session.commit()
        result = app.test_cli_runner().invoke(args=["keys", *arguments])
        assert result.exit_code == status, result.output
        with app.app_context():
            sync.read()
        return result.output

    return run


@pytest.fixture
def start_again(settings_environment: dict[str, str]) -> Iterator[Callable[..., Flask]]:
    """Start another application on the same database, with other settings: start_again(X="y")."""
    with ExitStack() as applications:
        yield lambda **changes: applications.enter_context(_started(settings_environment | changes))


@contextmanager
def _started(environ: dict[str, str]) -> Iterator[Flask]:
    with running(environ) as app:
        with app.app_context():
            with writing():
                keys.ensure()
            db.session.commit()
        yield app
