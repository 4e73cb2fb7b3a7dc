"""Every pair of flows of one user in parallel on PostgreSQL: none deadlocks, and none fails.

Each statement that locks rows is delayed by a few milliseconds, so that the flows meet at
different points. A view runs again after a deadlock, so the deadlocks themselves are counted.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.database.session import db
from tests.account.conftest import read_messages, read_revert_token, request_reset_mail
from tests.client import PASSWORD, Client, User
from tests.parallel import run_in_parallel

LOCKS = re.compile(r"UPDATE|INSERT|DELETE|pg_advisory")
DEADLOCK, MAX_DELAY = "40P01", 0.01
NUMBERS = count(1)
Flow = Callable[[], TestResponse]


@dataclass
class World:
    """A user with two sessions: what the flows of a pair need, prepared one after the other."""

    client: Client
    user: User
    tokens: Iterator[dict[str, Any]]
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def session(self) -> Client:
        """Return a client of the next session, with a connection of its own."""
        return self.client.as_(next(self.tokens))

    def new_email(self) -> str:
        """Request another e-mail address; return it."""
        email = f"new{next(self.numbers)}-{self.user.email}"
        changed = self.session().post("/auth/email/change", {"email": email})
        assert changed.status_code == 202, changed.text
        return email


def log_in(world: World) -> Flow:
    form = {"identifier": world.user.email, "password": PASSWORD}
    return partial(world.client.as_("").post, "/auth/login", form, headers={"Authorization": None})


def refresh(world: World) -> Flow:
    tokens = next(world.tokens)
    return partial(world.client.as_(tokens).refresh, tokens)


def log_others_out(world: World) -> Flow:
    return partial(world.session().post, "/auth/logout", {"scope": "others"})


def change_password(world: World) -> Flow:
    form = {"current_password": PASSWORD, "password": "nine yellow kites"}
    return partial(world.session().post, "/auth/password/change", form)


def request_reset(world: World) -> Flow:
    return partial(world.session().post, "/auth/password/forgot", {"email": world.user.email})


def reset_password(world: World) -> Flow:
    token = request_reset_mail(world.client, world.user.email)["token"]
    form = {"token": token, "password": "seven green doors"}
    return partial(world.session().post, "/auth/password/reset", form)


def request_link(world: World) -> Flow:
    return partial(world.session().post, "/auth/login/link", {"email": world.user.email})


def change_email(world: World) -> Flow:
    return partial(world.session().post, "/auth/email/change", {"email": "other@example.com"})


def verify_email(world: World) -> Flow:
    return partial(world.session().post, "/auth/email/verify", email_code(world))


def email_code(world: World) -> dict[str, str]:
    email = world.new_email()
    code = read_messages(world.client, email, "email_change")[0]["code"]
    return {"email": email, "code": code}


def undo_email(world: World) -> Flow:
    old = world.user.email
    form = email_code(world)
    assert world.session().post("/auth/email/verify", form).status_code == 200
    world.user.email = form["email"]
    token = read_revert_token(world.client, old)
    return partial(world.session().post, "/auth/email/undo", {"token": token})


def enrol_factor(world: World) -> Flow:
    return partial(world.session().post, "/auth/mfa/factors", {"kind": "email"})


def start_totp(world: World) -> tuple[Client, str]:
    mine = world.session()
    factor = mine.post("/auth/mfa/factors", {"kind": "totp"}).json
    world.user.secret = factor["secret"]
    return mine, f"/auth/mfa/factors/{factor['id']}"


def confirm_factor(world: World) -> Flow:
    mine, path = start_totp(world)
    return partial(mine.post, f"{path}/confirm", {"code": world.user.totp()})


def remove_factor(world: World) -> Flow:
    mine, path = start_totp(world)
    return partial(mine.delete, path)


def step_up(world: World) -> Flow:
    return partial(world.session().post, "/auth/reauthenticate", {"password": PASSWORD})


FLOWS = (
    *(undo_email, verify_email, reset_password, log_in, refresh, log_others_out, change_password),
    *(request_reset, request_link, change_email, enrol_factor, confirm_factor, remove_factor),
    step_up,
)
"""Those that change the e-mail address come first: their preparation must not undo another's."""


@pytest.fixture
def deadlocks(app: Flask) -> Iterator[list[str]]:
    """Delay statements that lock, and collect the statements whose transactions were given up."""
    found: list[str] = []

    def delay(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if LOCKS.search(statement):
            time.sleep(random.uniform(0, MAX_DELAY))

    def collect(context: Any) -> None:
        if getattr(context.original_exception, "sqlstate", None) == DEADLOCK:
            found.append(context.statement)

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", delay)
    sa.event.listen(engine, "handle_error", collect)
    yield found
    sa.event.remove(engine, "before_cursor_execute", delay)
    sa.event.remove(engine, "handle_error", collect)


@pytest.mark.alters_the_application
@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.parametrize("number", range(len(FLOWS)), ids=[flow.__name__ for flow in FLOWS])
def test_flow_beside_each_other_flow_neither_deadlocks_nor_fails(
    client, make_user, deadlocks, number
):
    first, failed = FLOWS[number], {}

    for second in FLOWS[number:]:
        user = make_user(email=f"ada{next(NUMBERS)}@example.com")
        tokens = [client.log_in(user) for _ in range(2)]
        world = World(client, user, iter(tokens * 10))
        flows = [first(world), second(world)]
        del deadlocks[:]
        statuses = [response.status_code for response in run_in_parallel(*flows)]
        if deadlocks or max(statuses) >= 500:
            failed[second.__name__] = (statuses, list(deadlocks))

    assert failed == {}
