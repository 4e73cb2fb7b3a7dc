"""An `mfa_token` is accepted in the second step only; e-mail verification opens no session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gatehouse.web import cookies
from models import Session
from tests.client import PASSWORD, User
from tests.mail_links import read_link_token
from tests.rows import rows

UNKNOWN_ID = "01900000-0000-7000-8000-000000000000"
CONTROL = "q8Zt0LwVb3nXk5RyH1uJd7GfPcMa2oTiEsQ9vYxB6mC"
"""A token of the same form that was never issued."""
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
SECOND_STEP = {"/auth/login/mfa", "/auth/login/mfa/challenge"}
ENROLMENT = {"/auth/login/mfa/enrolment", "/auth/login/mfa/enrolment/confirm"}
SAMPLES = {"password": PASSWORD, "current_password": PASSWORD, "code": "12345678", "kind": "totp"}
SAMPLES |= {"factor": "totp", "factor_id": UNKNOWN_ID, "phone": "+4915112345678"}
SAMPLES |= {"identifier": "unknown@example.com", "email": "unknown@example.com"}
TOKENLESS = {"/auth/email/resend", "/auth/passkeys/authentication/verify"}
"""Paths whose forms hold only an e-mail address or a passkey response, so no token."""
Attempt = tuple[str, str, dict[str, Any]]
"""Method, path, and the rest of the request."""


def fill_path(rule: Any) -> str:
    return re.sub(r"<(\w+:)?\w+>", UNKNOWN_ID, rule.rule)


def requests_by_header(app: Any, token: str) -> Iterator[Attempt]:
    """Yield each route with the token as bearer token, and in each of our cookies."""
    names = (cookies.ACCESS, cookies.REFRESH, cookies.CSRF, cookies.DEVICE)
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods & METHODS):
            yield method, fill_path(rule), {"headers": {"Authorization": f"Bearer {token}"}}
            for name in names:
                sent = {"Cookie": f"{name}={token}", "X-CSRF-Token": token}
                yield method, fill_path(rule), {"headers": sent}


def requests_by_body(app: Any, token: str) -> Iterator[Attempt]:
    """Yield each documented route that has a body, with the token in each of its members.

    The required members are filled in; further requests add one optional member each.
    """
    document = app.test_client().get("/openapi.json").json
    schemas = document["components"]["schemas"]
    for path, found in document["paths"].items():
        for method in METHODS & {name.upper() for name in found}:
            body = found[method.lower()].get("requestBody")
            if body is None:
                continue
            [(media_type, content)] = body["content"].items()
            kind, schema = "json" if "json" in media_type else "data", content["schema"]
            schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            for form in forms(schema, token):
                yield method, re.sub(r"{\w+}", UNKNOWN_ID, path), {kind: form}


def forms(schema: dict[str, Any], token: str) -> Iterator[dict[str, Any]]:
    """Yield bodies with the token as each member that can be a string."""
    members = schema.get("properties", {})
    required = {name: SAMPLES.get(name, CONTROL) for name in schema.get("required", [])}
    for name, member in members.items():
        if member.get("type") == "string" or "string" in member.get("type", ()):
            yield required | {name: token}
            for beside in ("email", "phone", "password", "code", "factor_id", "factor"):
                if beside in members and beside != name and beside not in required:
                    yield required | {beside: SAMPLES[beside], name: token}


def is_second_step(attempt: Attempt, token: str, allowed: set[str]) -> bool:
    return attempt[1] in allowed and attempt[2].get("json", {}).get("mfa_token") == token


def send_attempt(app: Any, attempt: Attempt) -> tuple[int, str | None]:
    """Send a request without cookies, assert that it gets no token; return status and code."""
    method, path, request = attempt
    response = app.test_client(use_cookies=False).open(path, method=method, **request)
    body = (response.json if response.is_json and response.data else None) or {}
    assert not {"access_token", "refresh_token"} & body.keys(), attempt
    assert not any("access=ey" in text for text in response.headers.getlist("Set-Cookie")), attempt
    return response.status_code, body.get("code")


def test_mfa_token_requests_are_mostly_well_formed(app):
    """Most bodies pass the validation, so that it is the token that is rejected."""
    attempts = list(requests_by_body(app, CONTROL))

    accepted = {one[1] for one in attempts if send_attempt(app, one)[0] not in (400, 415, 422)}

    assert {path for _, path, _ in attempts} - accepted == TOKENLESS
    assert len(accepted) > 20


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
def test_mfa_token_is_accepted_in_the_second_step_only(app, client, make_user, factors, allowed):
    """Elsewhere, in any header or member, it gets the response of a token that was never issued."""
    user = make_user(factors=factors)
    token = client.log_in(user)["mfa_token"]
    before = len(rows(app, Session))

    differing = [
        (attempt, outcome, expected)
        for requests in (requests_by_header, requests_by_body)
        for attempt, control in zip(requests(app, token), requests(app, CONTROL), strict=True)
        if not is_second_step(attempt, token, allowed)
        and (outcome := send_attempt(app, attempt)) != (expected := send_attempt(app, control))
    ]

    assert differing == []
    assert len(rows(app, Session)) == before
    assert len([*requests_by_header(app, token), *requests_by_body(app, token)]) > 300


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
def test_email_verification_opens_no_session(app, client, policy):
    """Neither by code, nor by link, nor by invitation; the policy applies to the login after it."""
    client.register("code@example.com")
    client.register("link@example.com")
    invite = ["users", "invite", "guest@example.com"]
    assert app.test_cli_runner().invoke(args=invite).exit_code == 0
    by_link = {"token": read_link_token(client, "link@example.com"), "password": PASSWORD}
    invited = {"token": read_link_token(client, "guest@example.com"), "password": PASSWORD}

    responses = [
        client.verify("code@example.com"),
        client.post("/auth/email/verify", by_link),
        client.post("/auth/invitation", invited),
    ]

    assert [(response.status_code, response.data[:1]) for response in responses] == [
        (200, b"{"),
        (200, b"{"),
        (204, b""),
    ]
    assert not any("access" in str(response.headers) + response.text for response in responses)
    assert rows(app, Session) == []
    for name in ("code", "link", "guest"):
        assert client.log_in(User(f"{name}@example.com"))["status"] == policy
