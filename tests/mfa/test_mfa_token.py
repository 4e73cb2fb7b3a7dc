"""The token of a login that waits opens nothing but its second step; newcomers get no session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gatehouse.web import cookies
from models import Session
from tests.client import PASSWORD, User
from tests.letters import link_token
from tests.rows import rows

STRANGER = "01900000-0000-7000-8000-000000000000"
CONTROL = "q8Zt0LwVb3nXk5RyH1uJd7GfPcMa2oTiEsQ9vYxB6mC"
"""A token of the same shape that nobody ever had."""
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
SECOND_STEP = {"/auth/login/mfa", "/auth/login/mfa/challenge"}
ENROLMENT = {"/auth/login/mfa/enrolment", "/auth/login/mfa/enrolment/confirm"}
GUESSED = {"password": PASSWORD, "current_password": PASSWORD, "code": "12345678", "kind": "totp"}
GUESSED |= {"factor": "totp", "factor_id": STRANGER, "phone": "+4915112345678"}
GUESSED |= {"identifier": "nobody@example.com", "email": "nobody@example.com"}
NO_STRINGS = {"/auth/email/resend", "/auth/login/link", "/auth/passkeys/authentication/verify"}
"""What takes nothing but an address, or the answer of a passkey: a token is none."""
Try = tuple[str, str, dict[str, Any]]
"""Method, path, and the rest of the request."""


def path_of(rule: Any) -> str:
    return re.sub(r"<(\w+:)?\w+>", STRANGER, rule.rule)


def by_header(app: Any, token: str) -> Iterator[Try]:
    """Every route, with the token as bearer and as each of our cookies."""
    names = (cookies.ACCESS, cookies.REFRESH, cookies.CSRF, cookies.DEVICE)
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods & METHODS):
            yield method, path_of(rule), {"headers": {"Authorization": f"Bearer {token}"}}
            for name in names:
                sent = {"Cookie": f"{name}={token}", "X-CSRF-Token": token}
                yield method, path_of(rule), {"headers": sent}


def by_body(app: Any, token: str) -> Iterator[Try]:
    """Every route of the document that takes a body, with the token as each of its members.

    Beside it stand the members that are required, then those of one of the other ways, too.
    """
    document = app.test_client().get("/openapi.json").json
    schemas = document["components"]["schemas"]
    for path, found in document["paths"].items():
        for method in METHODS & {name.upper() for name in found}:
            body = found[method.lower()].get("requestBody")
            if body is None:
                continue
            schema = body["content"]["application/json"]["schema"]
            schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            for form in forms(schema, token):
                yield method, re.sub(r"{\w+}", STRANGER, path), {"json": form}


def forms(schema: dict[str, Any], token: str) -> Iterator[dict[str, Any]]:
    """Yield bodies with the token as each member that can be a string."""
    members = schema.get("properties", {})
    required = {name: GUESSED.get(name, CONTROL) for name in schema.get("required", [])}
    for name, about in members.items():
        if about.get("type") == "string" or "string" in about.get("type", ()):
            yield required | {name: token}
            for beside in ("email", "phone", "password", "code", "factor_id", "factor"):
                if beside in members and beside != name and beside not in required:
                    yield required | {beside: GUESSED[beside], name: token}


def opens_the_second_step(attempt: Try, token: str, allowed: set[str]) -> bool:
    return attempt[1] in allowed and attempt[2].get("json", {}).get("mfa_token") == token


def told(app: Any, attempt: Try) -> tuple[int, str | None]:
    """Return what a request of somebody without anything else is told; nobody gets a token."""
    method, path, request = attempt
    answer = app.test_client(use_cookies=False).open(path, method=method, **request)
    body = (answer.json if answer.is_json and answer.data else None) or {}
    assert not {"access_token", "refresh_token"} & body.keys(), attempt
    assert not any("access=ey" in text for text in answer.headers.getlist("Set-Cookie")), attempt
    return answer.status_code, body.get("code")


def test_the_forms_reach_the_doors(app):
    """What is tried with the body is mostly understood, so what refuses it is the token."""
    attempts = list(by_body(app, CONTROL))

    understood = {try_[1] for try_ in attempts if told(app, try_)[0] not in (400, 415, 422)}

    assert {path for _, path, _ in attempts} - understood == NO_STRINGS
    assert len(understood) > 20


@pytest.mark.requirement("MF-01")
@pytest.mark.requirement("RG-01")
@pytest.mark.parametrize(
    ("factors", "allowed"),
    [
        pytest.param(["totp"], SECOND_STEP, id="second step"),
        pytest.param(
            [], ENROLMENT, id="enrolment", marks=pytest.mark.settings(GATEHOUSE_MFA="required")
        ),
    ],
)
def test_the_token_of_a_login_that_waits_is_worth_nothing_anywhere_else(
    app, client, make_user, factors, allowed
):
    """Whatever it is sent as, it is told what a token is told that nobody ever had."""
    user = make_user(factors=factors)
    token = client.log_in(user)["mfa_token"]
    before = len(rows(app, Session))

    differing = [
        (attempt, said, control)
        for ways in (by_header, by_body)
        for attempt, invented in zip(ways(app, token), ways(app, CONTROL), strict=True)
        if not opens_the_second_step(attempt, token, allowed)
        and (said := told(app, attempt)) != (control := told(app, invented))
    ]

    assert differing == []
    assert len(rows(app, Session)) == before
    assert len([*by_header(app, token), *by_body(app, token)]) > 300


@pytest.mark.requirement("MF-01")
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("authenticated"),
        pytest.param(
            "mfa_enrolment_required", marks=pytest.mark.settings(GATEHOUSE_MFA="required")
        ),
    ],
)
def test_proving_a_new_account_opens_no_session(app, client, policy):
    """Neither by code, nor by link, nor by invitation: then comes the login, and the policy."""
    client.register("code@example.com")
    client.register("link@example.com")
    invite = ["users", "invite", "guest@example.com"]
    assert app.test_cli_runner().invoke(args=invite).exit_code == 0
    by_link = {"token": link_token(client, "link@example.com"), "password": PASSWORD}
    invited = {"token": link_token(client, "guest@example.com"), "password": PASSWORD}

    answers = [
        client.verify("code@example.com"),
        client.post("/auth/email/verify", by_link),
        client.post("/auth/invitation", invited),
    ]

    assert [(answer.status_code, answer.data[:1]) for answer in answers] == [
        (200, b"{"),
        (200, b"{"),
        (204, b""),
    ]
    assert not any("access" in str(answer.headers) + answer.text for answer in answers)
    assert rows(app, Session) == []
    for name in ("code", "link", "guest"):
        assert client.log_in(User(f"{name}@example.com"))["status"] == policy
