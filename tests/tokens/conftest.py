"""Fixtures of the tests of tokens: tokens, a forger, key commands, another application."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.tokens import keys, sync
from gatehouse.tokens.worker_state import TokenState
from models import SigningKey
from tests.client import Client, User
from tests.conftest import running
from tests.moved_clock import only_machine_clock
from tests.tokens.forgery import ENDPOINTS, Attack, Forger, assert_rejected, case
from tests.tokens.status_lists import LIST_PATH
from tests.wrong_clocks import Clocks


@pytest.fixture
def tokens(client: Client, make_user: Callable[..., User]) -> dict[str, Any]:
    """The token response of a login."""
    return client.log_in(make_user())


@pytest.fixture
def forger(app: Flask) -> Forger:
    return Forger(app)


@pytest.fixture
def all_endpoints_reject(client: Client, tokens: dict[str, Any]) -> Callable[..., None]:
    """Check that each endpoint rejects what each attack makes of a token that it accepts."""

    def check(attacks: Iterable[Attack], code: str = "token_invalid") -> None:
        for attack in attacks:
            for name, endpoint in ENDPOINTS.items():
                forged = attack(tokens[endpoint.token_name])
                with case(endpoint=name, attack=attack):
                    assert_rejected(endpoint.send(client, forged), code)

    return check


@pytest.fixture
def token_state(app: Flask, monkeypatch: pytest.MonkeyPatch) -> TokenState:
    """The state of the worker; from here on only `sync.refresh` reads the database.

    The monotonic clock nearly stands still, so that the state is never stale on a slow machine,
    except where a test dates `read_at` back.
    """
    start, ticks = clock.monotonic(), itertools.count()
    monkeypatch.setattr(clock, "monotonic", lambda: start + next(ticks) * 1e-6)
    state: TokenState = app.extensions["gatehouse.tokens"]
    with app.app_context():
        sync.refresh()
    state.synced_in_background = True
    return state


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clocks]:
    """The clocks of a test, which it can move one by one."""
    with only_machine_clock(), monkeypatch.context() as patches:
        yield Clocks(patches)


@pytest.fixture
def fetch_list(client: Client, token_state: TokenState) -> Callable[..., TestResponse]:
    """Fetch a status list that is built for this request."""

    def fetch_list(path: str = LIST_PATH, **request: Any) -> TestResponse:
        token_state.lists.clear()
        return client.get(path, **request)

    return fetch_list


@pytest.fixture
def run_keys_command(app: Flask) -> Callable[..., str]:
    """Run `gatehouse keys ...` an hour later, let the worker read the keys, and return the output.

    The keys are dated back instead of waiting: a next key signs when all workers have read it.
    """

    def run(*arguments: str, status: int = 0) -> str:
        with app.app_context(), write_transaction():
            for row in db.session.scalars(select(SigningKey)):
                row.created_at -= timedelta(hours=1)
            db.session.commit()
        result = app.test_cli_runner().invoke(args=["keys", *arguments])
        assert result.exit_code == status, result.output
        with app.app_context():
            sync.refresh()
        return result.output

    return run


@pytest.fixture
def start_application(settings_environment: dict[str, str]) -> Iterator[Callable[..., Flask]]:
    """Start another application on the same database, perhaps with other settings."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(_started(settings_environment | changes))


@contextmanager
def _started(environ: dict[str, str]) -> Iterator[Flask]:
    with running(environ) as app:
        with app.app_context():
            with write_transaction():
                keys.ensure_keys()
            db.session.commit()
            if environ.get("GATEHOUSE_SIGNING_ALGORITHM") == "RS256":
                sync.refresh()  # loading RSA keys may take longer than a state is valid
        yield app
