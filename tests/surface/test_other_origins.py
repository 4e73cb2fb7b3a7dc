"""CORS for allow-listed origins only; no embedding by other origins."""

from itertools import product

import pytest

from gatehouse.web.middleware import OPEN_PATHS
from tests.log_lines import read_log_lines
from tests.surface.conftest import request_every_route, send_request

APP_ORIGIN = "https://app.example.com"
SECOND_ORIGIN = "http://localhost:3000"
FOREIGN_ORIGINS = [
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
    "http://localhost:80001",
    "http://localhost:8000.evil.example",
]
allow_listed = pytest.mark.settings(GATEHOUSE_ALLOWED_ORIGINS=f"{APP_ORIGIN}, {SECOND_ORIGIN}")


def cors_headers(response):
    """Return the CORS headers of a response."""
    return {k: v for k, v in response.headers if k.startswith("Access-Control-")}


@pytest.mark.requirement("AP-06")
@allow_listed
@pytest.mark.parametrize("origin", [APP_ORIGIN, SECOND_ORIGIN])
def test_allow_listed_origin_can_read_responses_and_errors(client, origin):
    for path in ("/health/live", "/auth/me", "/nowhere"):
        response = client.get(path, headers={"Origin": origin})

        assert response.headers.getlist("Access-Control-Allow-Origin") == [origin], path
        assert "Origin" in response.headers.get_all("Vary")[0], path
        assert response.headers.getlist("Access-Control-Allow-Credentials") == ["true"], path
        exposed = response.headers["Access-Control-Expose-Headers"]
        assert {"X-Request-Id", "Retry-After", "WWW-Authenticate"} <= {*exposed.split(", ")}, path


@pytest.mark.requirement("AP-06")
@allow_listed
def test_other_origin_cannot_read_responses(app):
    for origin, request_line in product(
        FOREIGN_ORIGINS, [("GET", "/health/live"), ("OPTIONS", "/auth/login")]
    ):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}

        response = send_request(app, *request_line, **headers)

        assert cors_headers(response) == {}, origin
        assert response.headers["Vary"] == "Origin", origin
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin", origin


@pytest.mark.requirement("AP-06")
@allow_listed
def test_preflight_lists_allowed_methods_and_headers(app):
    request_line = {
        "Origin": APP_ORIGIN,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type",
    }

    response = send_request(app, "OPTIONS", "/auth/me", **request_line)

    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Access-Control-Allow-Origin"] == APP_ORIGIN
    methods, headers = (
        cors_headers(response)[f"Access-Control-Allow-{what}"].split(", ")
        for what in ("Methods", "Headers")
    )
    assert {"GET", "POST", "PATCH", "DELETE"} <= {*methods}
    assert {"Authorization", "Content-Type", "X-CSRF-Token", "X-Device-Token"} <= {*headers}
    assert "*" not in "".join(cors_headers(response).values())


@pytest.mark.requirement("AP-06")
def test_origin_cannot_read_responses_without_an_allow_list(client):
    response = client.get("/health/live", headers={"Origin": "http://localhost:8000"})

    assert cors_headers(response) == {}


@pytest.mark.requirement("AP-06")
@allow_listed
def test_cacheable_response_varies_by_origin(client):
    for headers in ({}, {"Origin": APP_ORIGIN}, {"Origin": "https://evil.example"}):
        response = client.get("/.well-known/jwks.json", headers=headers)

        assert "public" in response.headers["Cache-Control"]
        assert response.headers["Vary"] == "Origin"


@pytest.mark.requirement("AP-06")
@allow_listed
def test_pages_of_every_origin_read_what_clients_need_without_credentials(app):
    for path, origin in product(sorted(OPEN_PATHS), [*FOREIGN_ORIGINS, APP_ORIGIN]):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}

        response = send_request(app, "OPTIONS", path, **headers)

        is_listed = origin == APP_ORIGIN
        assert response.headers["Access-Control-Allow-Origin"] == (origin if is_listed else "*")
        assert ("Access-Control-Allow-Credentials" in response.headers) == is_listed
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert response.headers.getlist("Vary") == ["Origin"]


@pytest.mark.requirement("OA-21")
@allow_listed
def test_no_other_page_reads_what_the_authorization_endpoint_answers(app):
    pages = ("authorize", "sign-in", "sign-in/code", "confirm", "consent", "choose-account")
    paths = ("/oauth2/authorize", "/oauth2/introspect", "/oauth2/logout", "/login", "/consent")
    for path, method in product([*paths, *(f"/auth/{page}" for page in pages)], ["OPTIONS", "GET"]):
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

        response = send_request(app, method, path, **headers)

        assert cors_headers(response) == {}, (method, path)
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"], path


# Other pages


@pytest.mark.requirement("AP-07")
def test_jsonp_is_not_supported(ada):
    names = ["callback", "jsonp", "cb", "_callback", "jsoncallback"]
    paths = ["/auth/me", "/.well-known/jwks.json", "/health/live", "/openapi.json"]

    for path, name in product(paths, names):
        response = ada.get(path, query_string={name: "steal"})

        assert response.data == ada.get(path).data, (path, name)
        assert response.content_type == "application/json", (path, name)


@pytest.mark.requirement("AP-07")
def test_script_is_a_static_file_without_user_data(app, responses, access_token):
    for request_line, response in responses["authenticated"]:
        assert "script" not in (response.mimetype or "") or request_line.startswith(
            "GET /assets/"
        ), request_line

    for script in ("docs.js", "mailbox.js", "enhance.js", "sign_in.js"):
        authenticated, anonymous = (
            send_request(app, "GET", f"/assets/{script}", who) for who in (access_token, None)
        )
        assert authenticated.mimetype == "text/javascript"
        assert authenticated.data == anonymous.data


@pytest.mark.requirement("AP-07")
@allow_listed
def test_response_cannot_be_embedded_by_another_origin(app, access_token):
    for request_line, response in request_every_route(app, access_token):
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin", request_line
        assert response.headers["X-Frame-Options"] == "DENY", request_line
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"], request_line


@pytest.mark.requirement("AP-07")
@allow_listed
def test_mail_in_the_mailbox_is_framed_by_the_mailbox_only_and_sandboxed(app, client):
    client.register("ada@example.com")
    [mail] = client.mailbox(to="ada@example.com")

    for path in (f"/dev/mailbox/{mail['id']}", f"/dev/mailbox/{mail['id']}/qr.svg"):
        response = send_request(app, "GET", path, Origin="https://evil.example")
        policy = response.headers["Content-Security-Policy"].split("; ")

        assert response.status_code == 200, path
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin", path
        assert response.headers["X-Content-Type-Options"] == "nosniff", path
        assert response.headers["Cache-Control"] == "no-store", path
        assert cors_headers(response) == {}, path
        assert "default-src 'none'" in policy, path
    mail = send_request(app, "GET", f"/dev/mailbox/{mail['id']}")
    policy = mail.headers["Content-Security-Policy"].split("; ")
    assert mail.content_type == "text/html; charset=utf-8"
    assert mail.headers.getlist("X-Frame-Options") == ["SAMEORIGIN"]
    assert {"frame-ancestors 'self'", "sandbox"} <= {*policy}  # no scripts, no origin, no forms
    assert not any(part.startswith("script-src") for part in policy)


@allow_listed
def test_preflight_to_the_forward_auth_route_gets_401(app):
    request_line = {"Origin": APP_ORIGIN, "Access-Control-Request-Method": "GET"}

    response = send_request(app, "OPTIONS", "/gateway/verify", **request_line)

    assert response.status_code == 401


@pytest.mark.settings(GATEHOUSE_ALLOWED_ORIGINS=None)
@pytest.mark.requirement("AP-06")
def test_rejected_preflight_is_a_warning_that_names_the_setting(client, capsys):
    preflight = {"Access-Control-Request-Method": "POST"}
    for origin in (APP_ORIGIN, "http://localhost:8000", ""):
        client.send("OPTIONS", "/auth/login", headers=preflight | {"Origin": origin})
    client.send("OPTIONS", "/auth/login", headers={"Origin": APP_ORIGIN})

    lines = [line for line in read_log_lines(capsys) if line["level"] == "warning"]
    [warning] = [line for line in lines if "GATEHOUSE_ALLOWED_ORIGINS" in line["event"]]
    assert warning["origin"] == APP_ORIGIN
