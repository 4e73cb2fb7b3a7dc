"""Which other origins may read answers, and that none can embed them."""

from itertools import product

import pytest

from tests.surface.conftest import ask, every_answer

APP = "https://app.example.com"
SECOND = "http://localhost:3000"
STRANGERS = [
    "null",
    "*",
    "",
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://evil-app.example.com",
    "https://evil.app.example.com",
    "https://example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com:443",
    "https://APP.example.com",
    "HTTPS://app.example.com",
    "https://app.example.com/",
    "https://app.example.com.",
    "https://user@app.example.com",
    "https://app.example.com%00.evil.example",
    "https://app_example.com",
    "http://localhost:30000",
    "http://localhost",
]
allow_listed = pytest.mark.settings(GATEHOUSE_ALLOWED_ORIGINS=f"{APP}, {SECOND}")


def granted(answer):
    """Return the CORS headers of an answer."""
    return {k: v for k, v in answer.headers if k.startswith("Access-Control-")}


@pytest.mark.requirement("AP-06")
@allow_listed
@pytest.mark.parametrize("origin", [APP, SECOND])
def test_an_allow_listed_origin_may_read_answers_and_refusals(client, origin):
    for path in ("/health/live", "/auth/me", "/nowhere"):
        answer = client.get(path, headers={"Origin": origin})

        assert answer.headers.getlist("Access-Control-Allow-Origin") == [origin], path
        assert "Origin" in answer.headers.get_all("Vary")[0], path
        assert answer.headers.getlist("Access-Control-Allow-Credentials") == ["true"], path
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert {"X-Request-Id", "Retry-After", "WWW-Authenticate"} <= {*exposed.split(", ")}, path


@pytest.mark.requirement("AP-06")
@allow_listed
def test_no_other_origin_may_read_anything(app):
    for origin, asked in product(STRANGERS, [("GET", "/health/live"), ("OPTIONS", "/auth/login")]):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}

        answer = ask(app, *asked, **headers)

        assert granted(answer) == {}, origin
        assert answer.headers["Vary"] == "Origin", origin
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", origin


@pytest.mark.requirement("AP-06")
@allow_listed
def test_a_preflight_tells_what_an_allow_listed_origin_may_send(app):
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type",
    }

    answer = ask(app, "OPTIONS", "/auth/me", **asked)

    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    methods, headers = (
        granted(answer)[f"Access-Control-Allow-{what}"].split(", ")
        for what in ("Methods", "Headers")
    )
    assert {"GET", "POST", "PATCH", "DELETE"} <= {*methods}
    assert {"Authorization", "Content-Type", "X-CSRF-Token", "X-Device-Token"} <= {*headers}
    assert "*" not in "".join(granted(answer).values())


@pytest.mark.requirement("AP-06")
def test_without_an_allow_list_no_origin_may_read_anything(client):
    answer = client.get("/health/live", headers={"Origin": "http://localhost:8000"})

    assert granted(answer) == {}


@pytest.mark.requirement("AP-06")
@allow_listed
def test_what_is_cached_for_one_origin_is_not_given_to_another(client):
    for headers in ({}, {"Origin": APP}, {"Origin": "https://evil.example"}):
        answer = client.get("/.well-known/jwks.json", headers=headers)

        assert "public" in answer.headers["Cache-Control"]
        assert answer.headers["Vary"] == "Origin"


# Other pages


@pytest.mark.requirement("AP-07")
def test_there_is_no_jsonp(ada):
    names = ["callback", "jsonp", "cb", "_callback", "jsoncallback"]
    paths = ["/auth/me", "/.well-known/jwks.json", "/health/live", "/openapi.json"]

    for path, name in product(paths, names):
        answer = ada.get(path, query_string={name: "steal"})

        assert answer.data == ada.get(path).data, (path, name)
        assert answer.content_type == "application/json", (path, name)


@pytest.mark.requirement("AP-07")
def test_scripts_are_files_and_say_the_same_to_everyone(app, answers, member):
    for asked, answer in answers["member"]:
        assert "script" not in answer.mimetype or asked.startswith("GET /assets/"), asked

    for script in ("docs.js", "mailbox.js", "link_form.js", "verify_email.js"):
        mine, anyones = (ask(app, "GET", f"/assets/{script}", who) for who in (member, None))
        assert mine.mimetype == "text/javascript"
        assert mine.data == anyones.data


@pytest.mark.requirement("AP-07")
@allow_listed
def test_nothing_can_be_embedded_by_another_origin(app, member):
    for asked, answer in every_answer(app, member):
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", asked
        assert answer.headers["X-Frame-Options"] == "DENY", asked
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], asked


@pytest.mark.requirement("AP-07")
@allow_listed
def test_a_mail_in_the_mailbox_is_framed_by_the_mailbox_alone_and_runs_nothing(app, client):
    client.register("ada@example.com")
    [mail] = client.mailbox(to="ada@example.com")

    for path in (f"/dev/mailbox/{mail['id']}", f"/dev/mailbox/{mail['id']}/qr.svg"):
        answer = ask(app, "GET", path, Origin="https://evil.example")
        policy = answer.headers["Content-Security-Policy"].split("; ")

        assert answer.status_code == 200, path
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Cache-Control"] == "no-store", path
        assert granted(answer) == {}, path
        assert "default-src 'none'" in policy, path
    mail = ask(app, "GET", f"/dev/mailbox/{mail['id']}")
    policy = mail.headers["Content-Security-Policy"].split("; ")
    assert mail.content_type == "text/html; charset=utf-8"
    assert mail.headers.getlist("X-Frame-Options") == ["SAMEORIGIN"]
    assert {"frame-ancestors 'self'", "sandbox"} <= {*policy}  # no scripts, no origin, no forms
    assert not any(part.startswith("script-src") for part in policy)


@allow_listed
def test_a_preflight_is_no_way_past_a_gateway(app):
    asked = {"Origin": APP, "Access-Control-Request-Method": "GET"}

    answer = ask(app, "OPTIONS", "/gateway/verify", **asked)

    assert answer.status_code == 401
