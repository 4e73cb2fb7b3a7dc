"""Every answer: what it may say, how it is labelled, and who may read it."""

import json
import re

import pytest
from sqlalchemy import text, update

from gatehouse.database.session import db
from models import User
from tests.client import PASSWORD
from tests.logged import lines
from tests.surface.conftest import SOME_ID, ask, contents, verdict

JSON_TYPES = ("application/json", "application/problem+json")
SIGNED = "application/statuslist+jwt"
WITH_AN_ID = (
    "accept-invitation|cancel-mfa-reset|confirm-email|login-link|reset-password|undo-email|"
    "verify-email"
)
PAGES = re.compile(
    r"GET /(docs|errors|account|forgot-password|\.well-known/change-password|)|"
    rf"GET /({WITH_AN_ID})/{SOME_ID}"
)
TEXTS = re.compile(r"text/(html|plain|css|javascript)(; version=[\d.]+)?; charset=utf-8")
INSIDE = re.compile(
    r"Traceback|Error\(|secret detail|/gatehouse/|site-packages|\.py\b|SELECT|INSERT|sqlite|psycopg"
)
NOBODY = {"identifier": "nobody@example.com", "password": "wrong"}
CLOSED = (
    "default-src 'none'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)

pytestmark = pytest.mark.alters_the_application  # some of them add routes that break


def fail():
    raise RuntimeError("secret detail: /srv/gatehouse/app.py")


def fail_in_the_database():
    db.session.execute(text("SELECT secret FROM nowhere WHERE detail = 'secret detail'"))


@pytest.fixture
def broken(app):
    """Lend an application with two routes that nobody should have written."""
    app.add_url_rule("/broken", view_func=fail)
    app.add_url_rule("/broken/database", view_func=fail_in_the_database)
    return app


# Errors


@pytest.mark.requirement("AP-01")
@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_a_refusal_of_every_status_is_a_problem_document(broken, client, make_user):
    make_user(email="ada@example.com", username="ada")
    right = {"identifier": "ada", "password": PASSWORD}
    form = {"email": "bob@example.com", "password": PASSWORD, "username": "ada"}

    answers = [
        client.post("/auth/login", data="{", content_type="application/json"),
        client.post("/auth/login", NOBODY),
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
    answers.append(client.post("/auth/login", right))
    answers.append([client.post("/auth/login", {}) for _ in range(60)][-1])
    with broken.app_context():
        db.session.execute(text("DELETE FROM signing_keys"))
        db.session.commit()
    broken.extensions["gatehouse.tokens"].ring = None
    answers.append(client.get("/.well-known/jwks.json"))

    assert [verdict(answer) for answer in answers] == [
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
    for answer in answers:
        assert answer.json["type"] == f"http://localhost:8000/errors#{answer.json['code']}"
        assert not INSIDE.search(answer.text), answer.text
    assert all("Retry-After" in answer.headers for answer in answers[-2:])
    assert answers[-2].json["retry_after"] == int(answers[-2].headers["Retry-After"])


@pytest.mark.requirement("AP-01")
@pytest.mark.stores
@pytest.mark.parametrize("path", ["/broken", "/broken/database"])
def test_an_error_of_ours_tells_nothing_of_the_inside(broken, path):
    answer = broken.test_client().get(path)

    assert answer.status_code in (500, 503)
    assert verdict(answer)[1] in ("internal_error", "service_unavailable")
    assert not INSIDE.search(answer.text + str(answer.headers))


@pytest.mark.requirement("AP-01")
def test_our_log_knows_the_error_that_the_answer_hides(broken, capsys):
    answer = broken.test_client().get("/broken")

    [line] = [line for line in lines(capsys) if line["event"] == "unexpected error"]
    assert "secret detail" in line["exception"]
    assert line["request_id"] == answer.json["request_id"]


def test_an_error_of_ours_undoes_what_was_begun(broken, client):
    def half_done():
        db.session.add(User(email="half@example.com", email_canonical="half@example.com"))
        db.session.flush()
        fail()

    broken.add_url_rule("/broken/half", view_func=half_done)
    before = contents(broken)

    answer = client.get("/broken/half")

    assert verdict(answer) == (500, "internal_error")
    assert contents(broken) == before


@pytest.mark.requirement("AP-01")
def test_every_401_says_how_to_authenticate(answers, client):
    refused = [answer for _, answer in answers["stranger"] if answer.status_code == 401]
    refused.append(client.post("/auth/login", NOBODY))
    refused.append(client.post("/auth/refresh", {"refresh_token": "x"}))
    refused.append(client.post("/auth/invitation", {"token": "x", "password": PASSWORD}))

    assert len(refused) > 10
    assert all(a.headers["WWW-Authenticate"].startswith('Bearer realm="') for a in refused)


# Labels


@pytest.mark.requirement("AP-02")
@pytest.mark.parametrize("who", ["stranger", "member"])
def test_every_answer_is_labelled_and_cannot_be_sniffed(answers, who):
    for asked, answer in answers[who]:
        kind = answer.headers.get("Content-Type", "")
        assert answer.headers["X-Content-Type-Options"] == "nosniff", asked
        if answer.data:
            assert kind in (*JSON_TYPES, SIGNED) or TEXTS.fullmatch(kind), f"{asked}: {kind}"
        if answer.data and answer.mimetype == "text/html":
            assert PAGES.fullmatch(asked), asked
        if answer.data and kind in JSON_TYPES:
            json.loads(answer.data.decode("utf-8"))


@pytest.mark.requirement("AP-02")
def test_json_that_a_browser_opens_can_run_and_load_nothing(client):
    for path in ("/health/live", "/auth/me", "/nowhere", "/openapi.json", "/dev/mailbox"):
        answer = client.get(path, headers={"Accept": "application/json"})

        assert answer.mimetype in JSON_TYPES, path
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'"), path


def test_every_answer_has_the_security_headers(answers, broken):
    expected = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }

    for asked, answer in [*answers["stranger"], ("GET /broken", ask(broken, "GET", "/broken"))]:
        assert {name: answer.headers.get(name) for name in expected} == expected, asked
        [policy] = answer.headers.getlist("Content-Security-Policy")
        assert "frame-ancestors 'none'" in policy, asked


def test_what_is_no_page_has_the_closed_policy(client):
    assert client.get("/auth/me").headers["Content-Security-Policy"] == CLOSED


def test_only_public_answers_may_be_kept(answers):
    kept = {
        asked.partition(" ")[2]
        for asked, answer in answers["member"]
        if answer.headers["Cache-Control"] != "no-store"
    }

    assert kept == {"/.well-known/jwks.json", "/tokens/status/0", "/assets/pages.css"}


def test_whoever_gets_tokens_gets_them_uncached(client, make_user):
    user = make_user()
    tokens = client.log_in(user)

    answers = [
        client.post("/auth/login", {"identifier": user.email, "password": user.password}),
        client.refresh(tokens),
        client.as_(tokens).get("/auth/me"),
        client.as_(tokens).get("/auth/sessions"),
        client.register("bob@example.com"),
        client.post("/auth/login", NOBODY),
    ]

    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_hsts_is_not_promised_on_plain_http(client):
    assert "Strict-Transport-Security" not in client.get("/health/live").headers


@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_hsts_is_promised_for_a_year_and_more_where_people_come_by_https(client):
    for path in ("/health/live", "/nowhere", "/docs"):
        promise = client.get(path).headers["Strict-Transport-Security"]

        seconds = int(re.search(r"max-age=(\d+)", promise)[1])
        assert seconds >= 365 * 24 * 3600
        assert "includeSubDomains" in promise


# The request's id


def test_a_safe_request_id_comes_back_and_stands_in_the_audit(app, client):
    for given in ("a", "trace-1.2_3", "A" * 64, "0190f2a4-7a0b-7def-8abc-0123456789ab"):
        answer = client.post("/auth/login", NOBODY, headers={"X-Request-Id": given})

        assert answer.headers.getlist("X-Request-Id") == [given]
        assert answer.json["request_id"] == given
        assert given in [event.request_id for event in contents(app)["audit_events"]]


def test_an_unsafe_request_id_is_replaced(client):
    for given in ("", " ", "a b", "a" * 65, "<script>", "a;b", "é", "a/b", "'--"):
        answer = client.get("/nowhere", headers={"X-Request-Id": given})

        [found] = answer.headers.getlist("X-Request-Id")
        assert found == answer.json["request_id"] != given
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found)


def test_every_request_gets_an_id_of_its_own(client):
    ids = {client.get("/health/live").headers["X-Request-Id"] for _ in range(100)}

    assert len(ids) == 100
