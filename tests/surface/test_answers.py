"""Responses: error documents, media types, security headers, caching and request ids."""

import json
import re

import pytest
from sqlalchemy import text, update

from gatehouse.database.session import db
from models import User
from tests.client import PASSWORD
from tests.log_lines import read_log_lines
from tests.surface.conftest import SOME_ID, read_problem, read_tables, send_request

JSON_TYPES = ("application/json", "application/problem+json")
SIGNED_TYPE = "application/statuslist+jwt"
PATHS_WITH_ID = (
    "accept-invitation|cancel-mfa-reset|confirm-email|login-link|reset-password|undo-email|"
    "restore-account|"
    "sign-up-code|verify-email"
)
PAGES = re.compile(
    r"GET /(docs|errors|account(/\w+)?|\.well-known/change-password|)|"
    rf"(GET|POST) /({PATHS_WITH_ID})/{SOME_ID}|"
    r"(GET|POST) /(oauth2/(authorize|logout)|auth/(authorize|end-session))|"
    r"(GET|POST) /(login|consent|auth/consent|auth/sign-in(/identifier|/factor|/code)?)|"
    r"(GET|POST) /auth/sign-in/enrolment(/code)?|"
    r"(GET|POST) /auth/(choose-account|confirm(/factor)?|account/.*)|"
    r"(GET|POST) /(register(/code|/resend)?|forgot-password(/code)?)|"
    r"(GET|POST) /auth/federation/[^/]+(/callback)?|"
    r"(GET|POST) /(trouble|login/link|auth/sign-in/link|mfa-recovery(/code)?)"
)
TEXT_TYPES = re.compile(r"text/(html|plain|css|javascript)(; version=[\d.]+)?; charset=utf-8")
INTERNALS = re.compile(
    r"Traceback|Error\(|secret detail|/gatehouse/|site-packages|\.py\b|SELECT|INSERT|sqlite|psycopg"
)
UNKNOWN_LOGIN = {"identifier": "nobody@example.com", "password": "wrong"}
DENY_ALL_CSP = (
    "default-src 'none'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)

pytestmark = pytest.mark.alters_the_application  # some of them add routes that fail


def raise_error():
    raise RuntimeError("secret detail: /srv/gatehouse/app.py")


def raise_database_error():
    db.session.execute(text("SELECT secret FROM nowhere WHERE detail = 'secret detail'"))


@pytest.fixture
def broken(app):
    """Return an application with two routes that raise exceptions."""
    app.add_url_rule("/broken", view_func=raise_error)
    app.add_url_rule("/broken/database", view_func=raise_database_error)
    return app


# Errors


@pytest.mark.requirement("AP-01")
@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_error_of_every_status_is_a_problem_document(broken, client, make_user):
    make_user(email="ada@example.com", username="ada")
    right = {"identifier": "ada", "password": PASSWORD}
    form = {"email": "bob@example.com", "password": PASSWORD, "username": "ada"}

    responses = [
        client.post("/auth/login", data="{", content_type="application/json"),
        client.post("/auth/login", UNKNOWN_LOGIN),
        client.get("/nowhere"),
        client.get("/auth/login"),
        client.post("/auth/register", form),
        client.post("/auth/login", data="x" * 70_000, content_type="application/json"),
        client.post("/auth/login", data="{}", content_type="text/plain"),
        client.post("/auth/login", {}),
        client.get("/broken"),
    ]
    with broken.app_context():
        db.session.execute(update(User).values(disabled_at=text("CURRENT_TIMESTAMP")))
        db.session.commit()
    responses.append(client.post("/auth/login", right))
    responses.append([client.post("/auth/login", {}) for _ in range(60)][-1])
    with broken.app_context():
        db.session.execute(text("DELETE FROM signing_keys"))
        db.session.commit()
    broken.extensions["gatehouse.tokens"].key_set = None
    responses.append(client.get("/.well-known/jwks.json"))

    assert [read_problem(response) for response in responses] == [
        (400, "malformed_json"),
        (401, "invalid_credentials"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (409, "username_taken"),
        (413, "payload_too_large"),
        (415, "unsupported_media_type"),
        (422, "validation_failed"),
        (500, "internal_error"),
        (403, "account_disabled"),
        (429, "rate_limited"),
        (503, "service_unavailable"),
    ]
    for response in responses:
        assert response.json["type"] == f"http://localhost:8000/errors#{response.json['code']}"
        assert not INTERNALS.search(response.text), response.text
    assert all("Retry-After" in response.headers for response in responses[-2:])
    assert responses[-2].json["retry_after"] == int(responses[-2].headers["Retry-After"])


@pytest.mark.requirement("AP-01")
@pytest.mark.stores
@pytest.mark.parametrize("path", ["/broken", "/broken/database"])
def test_internal_error_discloses_no_internals(broken, path):
    response = broken.test_client().get(path)

    assert response.status_code in (500, 503)
    assert read_problem(response)[1] in ("internal_error", "service_unavailable")
    assert not INTERNALS.search(response.text + str(response.headers))


@pytest.mark.requirement("LG-09")
@pytest.mark.requirement("AP-01")
def test_internal_error_is_logged_with_the_request_id(broken, capsys):
    response = broken.test_client().get("/broken")

    [line] = [line for line in read_log_lines(capsys) if line["event"] == "unexpected error"]
    assert "secret detail" in line["exception"]
    assert line["request_id"] == response.json["request_id"]


def test_internal_error_rolls_the_transaction_back(broken, client):
    def raise_after_insert():
        db.session.add(User(email="half@example.com", email_canonical="half@example.com"))
        db.session.flush()
        raise_error()

    broken.add_url_rule("/broken/half", view_func=raise_after_insert)
    before = read_tables(broken)

    response = client.get("/broken/half")

    assert read_problem(response) == (500, "internal_error")
    assert read_tables(broken) == before


@pytest.mark.requirement("AP-01")
def test_every_401_has_a_www_authenticate_header(responses, client):
    rejected = [response for _, response in responses["anonymous"] if response.status_code == 401]
    rejected.append(client.post("/auth/login", UNKNOWN_LOGIN))
    rejected.append(client.post("/auth/refresh", {"refresh_token": "x"}))
    rejected.append(client.post("/auth/invitation", {"token": "x", "password": PASSWORD}))

    assert len(rejected) > 10
    assert all(a.headers["WWW-Authenticate"].startswith('Bearer realm="') for a in rejected)


# Labels


@pytest.mark.requirement("AP-02")
@pytest.mark.parametrize("client_kind", ["anonymous", "authenticated"])
def test_every_response_has_a_media_type_and_nosniff(responses, client_kind):
    for request_line, response in responses[client_kind]:
        content_type = response.headers.get("Content-Type", "")
        assert response.headers["X-Content-Type-Options"] == "nosniff", request_line
        if response.data:
            assert content_type in (*JSON_TYPES, SIGNED_TYPE) or TEXT_TYPES.fullmatch(
                content_type
            ), f"{request_line}: {content_type}"
        if response.data and response.mimetype == "text/html":
            assert PAGES.fullmatch(request_line), request_line
        if response.data and content_type in JSON_TYPES:
            json.loads(response.data.decode("utf-8"))


@pytest.mark.requirement("AP-02")
def test_response_without_content_has_no_media_type(client, make_user):
    ada = client.as_(client.log_in(make_user()))
    report = {"data": "{}", "content_type": "application/csp-report"}

    responses = [
        ada.post("/auth/logout"),
        client.delete("/dev/mailbox"),
        client.post("/csp-reports", **report),
    ]

    for response in responses:
        assert (response.status_code, response.data) == (204, b"")
        assert "Content-Type" not in response.headers


def test_json_response_has_a_policy_that_loads_nothing(client):
    for path in ("/health/live", "/auth/me", "/nowhere", "/openapi.json", "/dev/mailbox"):
        response = client.get(path, headers={"Accept": "application/json"})

        assert response.mimetype in JSON_TYPES, path
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'"), path


def test_every_response_has_the_security_headers(responses, broken):
    expected = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }

    for request_line, response in [
        *responses["anonymous"],
        ("GET /broken", send_request(broken, "GET", "/broken")),
    ]:
        found = {name: response.headers.get(name) for name in expected}
        if (
            PAGES.fullmatch(request_line.replace("HEAD", "GET"))
            and found["Referrer-Policy"] == "same-origin"
        ):
            found["Referrer-Policy"] = "no-referrer"  # forms need an `Origin` (see `form_pages`)
        assert found == expected, request_line
        [policy] = response.headers.getlist("Content-Security-Policy")
        assert "frame-ancestors 'none'" in policy, request_line


def test_api_response_has_the_deny_all_policy(client):
    assert client.get("/auth/me").headers["Content-Security-Policy"] == DENY_ALL_CSP


def test_only_public_responses_are_cacheable(responses):
    cached = {
        request_line.partition(" ")[2]
        for request_line, response in responses["authenticated"]
        if response.headers["Cache-Control"] != "no-store"
    }

    metadata = {"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"}
    keys = {"/.well-known/jwks.json", "/tokens/status/0"}
    branding = {"/assets/branding/theme.css", "/assets/branding/logo"}
    assert cached == {*metadata, *keys, *branding, "/assets/pages.css"}


def test_token_response_is_not_cacheable(client, make_user):
    user = make_user()
    tokens = client.log_in(user)

    responses = [
        client.post("/auth/login", {"identifier": user.email, "password": user.password}),
        client.refresh(tokens),
        client.as_(tokens).get("/auth/me"),
        client.as_(tokens).get("/auth/sessions"),
        client.register("bob@example.com"),
        client.post("/auth/login", UNKNOWN_LOGIN),
    ]

    assert {response.headers["Cache-Control"] for response in responses} == {"no-store"}


def test_hsts_is_not_sent_on_plain_http(client):
    assert "Strict-Transport-Security" not in client.get("/health/live").headers


@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_hsts_is_sent_for_at_least_a_year_on_https(client):
    for path in ("/health/live", "/nowhere", "/docs"):
        header = client.get(path).headers["Strict-Transport-Security"]

        seconds = int(re.search(r"max-age=(\d+)", header)[1])
        assert seconds >= 365 * 24 * 3600
        assert "includeSubDomains" in header


# The request's id


def test_request_id_that_is_safe_is_returned_and_audited(app, client):
    for sent_id in ("a", "trace-1.2_3", "A" * 64, "0190f2a4-7a0b-7def-8abc-0123456789ab"):
        response = client.post("/auth/login", UNKNOWN_LOGIN, headers={"X-Request-Id": sent_id})

        assert response.headers.getlist("X-Request-Id") == [sent_id]
        assert response.json["request_id"] == sent_id
        assert sent_id in [event.request_id for event in read_tables(app)["audit_events"]]


def test_request_id_that_is_unsafe_is_replaced(client):
    for sent_id in ("", " ", "a b", "a" * 65, "<script>", "a;b", "é", "a/b", "'--"):
        response = client.get("/nowhere", headers={"X-Request-Id": sent_id})

        [returned_id] = response.headers.getlist("X-Request-Id")
        assert returned_id == response.json["request_id"] != sent_id
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", returned_id)


def test_request_id_differs_for_every_request(client):
    ids = {client.get("/health/live").headers["X-Request-Id"] for _ in range(100)}

    assert len(ids) == 100
