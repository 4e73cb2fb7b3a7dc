"""Knocking at every door that takes a body, and looking whether anything behind it moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row, select
from werkzeug.test import TestResponse

from gatehouse.database.session import Base, db
from tests.applications import Applications
from tests.client import PASSWORD, Client, User
from tests.conftest import environment
from tests.live import LiveServer
from tests.people import settle
from tests.stores import SqliteStore

Door = tuple[str, str]
"""A method and a path."""

CREDENTIAL = {
    "id": "AAAA",
    "rawId": "AAAA",
    "type": "public-key",
    "response": {"clientDataJSON": "AAAA"},
}
SOME_ID = "01900000-0000-7000-8000-000000000000"
"""The id of nothing."""

FORMS: dict[Door, dict[str, Any]] = {
    ("POST", "/auth/register"): {
        "email": "bob@example.com",
        "password": PASSWORD,
        "passkey": {
            "registration_token": "a token",
            "label": "My phone",
            "credential": CREDENTIAL,
        },
        "username": "bob",
        "phone": "+4915112345678",
        "name": "Bob",
        "locale": "de-AT",
        "captcha": "an answer",
    },
    ("POST", "/auth/register/options"): {"email": "bob@example.com", "name": "Bob"},
    ("POST", "/auth/email/verify"): {
        "email": "bob@example.com",
        "code": "12345678",
        "registration_token": "a token",
        "token": "a token",
        "password": PASSWORD,
    },
    ("POST", "/auth/invitation"): {"token": "a token", "password": PASSWORD},
    ("POST", "/auth/password/forgot"): {
        "email": "ada@example.com",
        "phone": "+4915112345678",
        "captcha": "an answer",
    },
    ("POST", "/auth/password/reset"): {
        "email": "ada@example.com",
        "phone": "+4915112345678",
        "code": "12345678",
        "token": "a token",
        "password": PASSWORD,
    },
    ("POST", "/auth/email/resend"): {"email": "bob@example.com"},
    ("POST", "/auth/email/change"): {"email": "bob@example.com"},
    ("POST", "/auth/email/undo"): {"token": "a token"},
    ("POST", "/auth/mfa/reset/cancel"): {"token": "a token"},
    ("POST", "/auth/mfa/recovery"): {
        "email": "ada@example.com",
        "phone": "+4915112345678",
        "captcha": "an answer",
    },
    ("POST", "/auth/mfa/recovery/verify"): {
        "recovery_token": "a token",
        "code": "12345678",
        "password": PASSWORD,
        "recovery_code": "abcd-efgh-abcd-efgh",
    },
    ("POST", "/auth/phone"): {"phone": "+4915112345678"},
    ("POST", "/auth/phone/verify"): {"phone": "+4915112345678", "code": "123456"},
    ("POST", "/auth/login"): {
        "identifier": "bob@example.com",
        "password": PASSWORD,
        "transport": "body",
        "captcha": "an answer",
    },
    ("POST", "/auth/refresh"): {"refresh_token": "a token"},
    ("POST", "/auth/logout"): {"scope": "local", "refresh_token": "a token"},
    ("PATCH", "/auth/me"): {
        "name": "Bob",
        "username": "bob",
        "locale": "de-AT",
    },
    ("POST", "/auth/password/change"): {
        "current_password": PASSWORD,
        "password": "another unlikely phrase 43",
    },
    ("POST", "/auth/login/link"): {"email": "bob@example.com", "phone": "+4915112345678"},
    ("POST", "/auth/login/link/verify"): {
        "login_token": "a token",
        "token": "a token",
        "code": "12345678",
        "transport": "body",
    },
    ("POST", "/auth/login/link/code"): {"token": "a token"},
    ("POST", "/auth/login/mfa"): {
        "mfa_token": "a token",
        "factor": "totp",
        "factor_id": SOME_ID,
        "code": "123456",
        "credential": CREDENTIAL,
        "remember_device": True,
    },
    ("POST", "/auth/login/mfa/challenge"): {"mfa_token": "a token", "factor_id": SOME_ID},
    ("POST", "/auth/login/mfa/enrolment"): {
        "mfa_token": "a token",
        "kind": "totp",
        "label": "My phone",
    },
    ("POST", "/auth/login/mfa/enrolment/confirm"): {
        "mfa_token": "a token",
        "factor_id": SOME_ID,
        "code": "123456",
        "credential": CREDENTIAL,
    },
    ("POST", "/auth/mfa/factors"): {"kind": "totp", "label": "My phone"},
    ("POST", "/auth/mfa/factors/{factor_id}/confirm"): {
        "code": "123456",
        "credential": CREDENTIAL,
    },
    ("POST", "/auth/reauthenticate"): {
        "password": PASSWORD,
        "factor": "totp",
        "factor_id": SOME_ID,
        "code": "123456",
        "credential": CREDENTIAL,
    },
    ("POST", "/auth/reauthenticate/challenge"): {"factor_id": SOME_ID},
    ("POST", "/auth/passkeys/authentication/verify"): {
        "login_token": "a token",
        "transport": "body",
        "credential": CREDENTIAL,
    },
    ("POST", "/auth/passkeys/registration/verify"): {
        "label": "My phone",
        "credential": CREDENTIAL,
    },
}
"""Every operation that reads a body, with all of its fields."""


TABLES = Base.metadata.sorted_tables


def contents(app: Flask) -> dict[str, list[Row[Any]]]:
    """Return every row of every table, oldest first."""
    with app.app_context(), db.engine.connect() as connection:
        rows = {each.name: select(each).order_by(*each.primary_key) for each in TABLES}
        return {name: list(connection.execute(all_)) for name, all_ in rows.items()}


def verdict(answer: TestResponse) -> tuple[int, str]:
    """Return the status and the code of a refusal, which is a problem document and no more."""
    problem = answer.json
    assert answer.mimetype == "application/problem+json"
    assert problem.keys() >= {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text
    return answer.status_code, problem["code"]


def other_than(
    expected: tuple[int, str], answers: Mapping[Any, TestResponse]
) -> dict[Any, tuple[int, str]]:
    """Return the verdicts that are not the expected one."""
    verdicts = {sent: verdict(answer) for sent, answer in answers.items()}
    return {sent: found for sent, found in verdicts.items() if found != expected}


LAST = "/auth/logout"
"""Asked in the end: the bearer token is dead afterwards."""

Knock = Callable[..., TestResponse]


@pytest.fixture
def ada(client: Client, make_user: Callable[..., User]) -> Client:
    """Lend the client of a person who is signed in."""
    return client.as_(client.log_in(make_user(email="ada@example.com")))


@pytest.fixture
def knock(app: Flask, ada: Client) -> Iterator[Knock]:
    """Send something bad to a door, signed in; in the end nothing in the database has changed."""
    before = contents(app)

    def knock(door: Door, data: bytes | str, content_type: str | None = None) -> TestResponse:
        send = ada.post if door[0] == "POST" else ada.patch
        path = door[1].format(factor_id=SOME_ID)
        return send(path, data=data, content_type=content_type or "application/json")

    yield knock
    assert contents(app) == before


@pytest.fixture
def member(client: Client, make_user: Callable[..., User]) -> str:
    """Lend the access token of somebody who is signed in."""
    token: str = client.log_in(make_user())["access_token"]
    return token


def ask(
    app: Flask, method: str, path: str, bearer: str | None = None, **headers: str
) -> TestResponse:
    """Send a request without a body; the answer is read whole."""
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    with app.test_client().open(path, method=method, headers=headers) as answer:
        answer.get_data()
        return answer


def every_answer(app: Flask, bearer: str | None = None) -> Iterator[tuple[str, TestResponse]]:
    """Ask every route with every method; yield what was asked, and the answer."""
    ids = ("session_id", "request_id", "factor_id", "device_id", "message_id")
    sample = {**dict.fromkeys(ids, SOME_ID), "filename": "pages.css", "number": "0"}
    with app.test_request_context():
        rules = [rule for rule in app.url_map.iter_rules() if "broken" not in rule.rule]
        paths = {rule.build(sample, append_unknown=False)[1] for rule in rules}
    for path in sorted({*paths, "/nowhere"}, key=lambda path: (path == LAST, path)):
        for method in ("OPTIONS", "GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "POST"):
            yield f"{method} {path}", ask(app, method, path, bearer)


@pytest.fixture(scope="session")
def answers(sqlite_store: SqliteStore) -> dict[str, list[tuple[str, TestResponse]]]:
    """What a stranger gets of every route with every method, and what a member gets."""
    with (
        sqlite_store.fresh() as url,
        closing(Applications()) as applications,
        applications.lend(environment(url)) as app,
    ):
        user = settle(app, User("member@example.com"))
        token = Client(app.test_client).log_in(user)["access_token"]
        return {"stranger": [*every_answer(app)], "member": [*every_answer(app, token)]}


@pytest.fixture(scope="module")
def server(
    sqlite_store: SqliteStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """Lend one server to all tests of a file: what they send changes nothing."""
    with sqlite_store.fresh() as url:
        wanted = environment(url)
        del wanted["GATEHOUSE_PUBLIC_URL"]
        server = LiveServer(wanted, tmp_path_factory.mktemp("server") / "server.log")
        try:
            server.start()
            yield server
        finally:
            server.kill()
