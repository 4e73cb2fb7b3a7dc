"""Hostile pages of other origins in a signed-in browser: nothing changes."""

import json

import pytest

from models import OutboxMessage
from tests.client import PASSWORD, User
from tests.operations.conftest import wait_until
from tests.pages.sites import run_site, serve_empty_page
from tests.rows import audited, rows
from tests.surface.conftest import read_tables

pytestmark = pytest.mark.settings(GATEHOUSE_WORKERS="1")  # a browser keeps one busy

ADA, EVE = "ada@example.com", "eve@example.com"
FETCH = """([url, init]) => fetch(url, init).then(
    answer => answer.type === "opaque" ? "opaque" : answer.text(), () => "blocked")"""
FORM = """([url, mediaType, fields]) => {
    const frame = document.createElement("iframe");
    frame.name = "target" + Math.random();
    document.body.append(frame);
    const form = document.body.appendChild(document.createElement("form"));
    Object.assign(form, {action: url, method: "post", enctype: mediaType, target: frame.name});
    for (const [name, value] of Object.entries(fields)) {
        Object.assign(form.appendChild(document.createElement("input")), {name, value});
    }
    form.submit();
}"""
RUN_IN_SANDBOX = """script => new Promise(done => {
    window.onmessage = ({data}) => done(data);
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts allow-forms";
    frame.srcdoc = "<script>" + script + "</" + "script>";
    document.body.append(frame);
})"""
POST_FROM_SANDBOX = """(async () => {
    for (const path of %s) {
        await fetch(path, {method: "POST", mode: "no-cors", credentials: "include"})
            .catch(() => 0);
    }
    parent.postMessage(origin, "*");
})()"""
SIGN_IN = """([form, method]) => fetch("/auth/login", {
    method, headers: {"Content-Type": "application/json"}, body: JSON.stringify(form)
}).then(answer => answer.status)"""
MEDIA_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]
CHANGE = {"current_password": PASSWORD, "password": "another unlikely phrase 43"}
WRITES = {
    "/auth/logout": {},
    "/auth/refresh": {},
    "/auth/password/change": CHANGE,
    "/auth/login": {"identifier": EVE, "password": PASSWORD, "transport": "cookie"},
}


@pytest.fixture
def victim(app, live, browser):
    """Return a page of Ada, who is signed in; Eve has an account, too; all e-mails are sent."""
    for email in (ADA, EVE):
        live.client.sign_up(User(email))
    context = browser.new_context()
    context.set_default_timeout(30_000)  # milliseconds
    page = context.new_page()
    page.goto(f"{live.url}/errors")
    form = {"identifier": ADA, "password": PASSWORD, "transport": "cookie"}
    assert page.evaluate(SIGN_IN, [form, "POST"]) == 200
    wait_until(lambda: all(mail.sent_at for mail in rows(app, OutboxMessage)))
    yield page
    context.close()


@pytest.fixture(params=["localhost", "127.0.0.1"], ids=["same-site", "cross-site"])
def hostile(request, victim):
    """Return a hostile page in Ada's browser."""
    with run_site(serve_empty_page) as port:
        page = victim.context.new_page()
        page.goto(f"http://{request.param}:{port}/")
        yield page


def read_state(app, victim):
    """Return everything that an attack could change: rows, cookies, and what Ada sees."""
    stored = {k: v for k, v in read_tables(app).items() if k != "audit_events"}
    cookies = sorted((c["name"], c["path"], c["value"]) for c in victim.context.cookies())
    return (
        stored,
        cookies,
        fetch_as_victim(victim, "/auth/me"),
        fetch_as_victim(victim, "/auth/sessions"),
    )


def fetch_as_victim(victim, path):
    found = json.loads(victim.evaluate(FETCH, [path, {}]))
    return found.get("email") or [item["id"] for item in found["items"]]


def is_same_site(hostile):
    return "//localhost:" in hostile.url


def was_attacked(app, live, hostile, with_cookies=True):
    """Return whether the attack arrived: with cookies from the same site, without from another."""
    csrf_failures = audited(app, "session.csrf_failed")
    if is_same_site(hostile) and with_cookies:
        return bool(csrf_failures)
    origin = hostile.evaluate("origin")
    return not csrf_failures and f'"origin": "{origin}"' in live.log.read_text()


def read_csrf_cookie(hostile):
    """Return the CSRF token, which a page on another port of the same host can read."""
    token = hostile.evaluate("document.cookie.match(/__Host-csrf=([0-9a-f]+)/)?.[1]")
    assert bool(token) == is_same_site(hostile)
    return token or "invented"


@pytest.mark.requirement("SE-10")
def test_hostile_forms_change_nothing(app, live, victim, hostile):
    before = read_state(app, victim)

    for path, body in WRITES.items():
        for media_type in MEDIA_TYPES:
            text = json.dumps({**body, "a": ""})
            fields = {text[:-2]: text[-2:]} if media_type == "text/plain" else body
            with hostile.expect_response(live.url + path):
                hostile.evaluate(FORM, [live.url + path, media_type, fields])

    assert read_state(app, victim) == before
    assert was_attacked(app, live, hostile)


@pytest.mark.requirement("SE-10", "AP-06")
@pytest.mark.parametrize("credentials", ["include", "omit"])
@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_hostile_fetch_changes_and_reads_nothing(app, live, victim, hostile, mode, credentials):
    before = read_state(app, victim)
    options = {"mode": mode, "credentials": credentials}
    token = read_csrf_cookie(hostile)

    results = []
    for path, body in WRITES.items():
        write = {"method": "POST", "body": json.dumps(body), **options}
        json_headers = {"Content-Type": "application/json", "X-CSRF-Token": token}
        results += [
            hostile.evaluate(FETCH, [live.url + path, {**write, "headers": headers}])
            for headers in (
                {},
                {"Content-Type": "text/plain"},
                json_headers,
                {"Authorization": "Basic x"},
            )
        ]
        results.append(hostile.evaluate(FETCH, [live.url + path, {**write, "body": None}]))
    for method, path in [("PATCH", "/auth/me"), ("DELETE", "/dev/mailbox"), ("PUT", "/auth/me")]:
        write = {"method": method, "body": '{"name": "Mallory"}', **options}
        results.append(hostile.evaluate(FETCH, [live.url + path, write]))
    for path in ("/auth/me", "/auth/csrf", "/auth/sessions", "/openapi.json"):
        results.append(hostile.evaluate(FETCH, [live.url + path, options]))

    assert set(results) <= {"blocked", "opaque"}
    assert mode == "cors" or was_attacked(app, live, hostile, with_cookies=credentials == "include")
    assert read_state(app, victim) == before


@pytest.mark.requirement("SE-10")
def test_hostile_sandboxed_frame_changes_nothing(app, live, victim, hostile):
    before = read_state(app, victim)

    paths = json.dumps([live.url + path for path in WRITES])
    origin = hostile.evaluate(RUN_IN_SANDBOX, POST_FROM_SANDBOX % paths)

    assert origin == "null"
    assert '"origin": "null"' in live.log.read_text()
    assert read_state(app, victim) == before


@pytest.mark.requirement("AP-07")
def test_hostile_page_can_embed_nothing(live, victim, hostile):
    embed = """([tag, url]) => new Promise(done => {
        const element = document.createElement(tag);
        element.onload = () => done("loaded");
        element.onerror = () => done("blocked");
        element.src = url;
        document.body.append(element);
    })"""

    for tag in ("script", "img"):
        for path in ("/auth/me", "/auth/csrf", "/openapi.json", "/assets/docs.js"):
            assert hostile.evaluate(embed, [tag, live.url + path]) == "blocked", (tag, path)


@pytest.mark.requirement("AP-11")
def test_hostile_cookies_of_the_same_site_are_never_accepted(app, live, victim, hostile, browser):
    eves_context = browser.new_context()
    eves_page = eves_context.new_page()
    eves_page.goto(f"{live.url}/errors")
    form = {"identifier": EVE, "password": PASSWORD, "transport": "cookie"}
    assert eves_page.evaluate(SIGN_IN, [form, "POST"]) == 200
    tokens = {cookie["name"]: cookie["value"] for cookie in eves_context.cookies()}
    eves_context.close()
    before = read_state(app, victim)
    refresh, access = tokens["__Secure-refresh"], tokens["__Host-access"]

    for text in (
        f"__Secure-refresh={refresh}; Path=/auth/refresh; Secure",
        f"__Secure-refresh={refresh}; Path=/auth; Secure",
        f"__Host-access={access}; Path=/; Secure",
        f"__Host-access={access}; Path=/auth; Secure",
        f"__host-access={access}; Path=/auth; Secure",
        f"=__Host-access={access}; Path=/auth; Secure",
    ):
        hostile.evaluate("text => { document.cookie = text }", text)
    headers = {"X-CSRF-Token": fetch_csrf_token(victim)}
    response = victim.evaluate(FETCH, ["/auth/refresh", {"method": "POST", "headers": headers}])

    expected = "malformed_request" if is_same_site(hostile) else None
    assert json.loads(response).get("code") == expected
    assert fetch_as_victim(victim, "/auth/me") == ADA
    if is_same_site(hostile):
        assert read_state(app, victim)[0] == before[0]
        options = {"method": "POST", "headers": headers}
        assert victim.evaluate(FETCH, ["/auth/logout", options]) == ""
        assert len(audited(app, "session.ended")) == 1


def fetch_csrf_token(victim):
    return json.loads(victim.evaluate(FETCH, ["/auth/csrf", {}]))["csrf_token"]
