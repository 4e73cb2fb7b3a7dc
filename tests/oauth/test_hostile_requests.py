"""Attacks on the authorization server with hostile values, foreign forms and late codes.

RFC 9700 section 4. The redirect URIs, PKCE, assertions and hints have tests of their own.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import OAuthClient, OAuthGrant, Session
from tests.login.risk_applications import apply_policy, with_policy
from tests.login.test_risk import CURL, FIREFOX
from tests.oauth.form_browser import FormBrowser
from tests.oauth.relying_party import answer_of, secret_of
from tests.rows import rows

SCRIPT = '"><script>alert(1)</script>'
DEEP = "[" * 3000
NESTED = f'{{"id_token": {{"email": {{"value": {"[" * 900}{"]" * 900}}}}}}}'
HOSTILE_VALUES: tuple[dict[str, Any], ...] = (
    *({"state": SCRIPT}, {"state": "\U0001f511 & = % +"}, {"nonce": "\ud7ff\U0010ffff"}),
    *({"state": SCRIPT, "response_mode": "form_post"}, {"login_hint": SCRIPT}),
    *({"login_hint": "\x00"}, {"ui_locales": "../../etc/passwd de-x-\u202e"}),
    *({"ui_locales": " ".join(["de"] * 300)}, {"acr_values": " ".join(map(str, range(900)))}),
    *({"max_age": "0" * 4000}, {"max_age": "\u0661\u0662"}, {"max_age": "1e3"}),
    *({"claims": '{"id_token": {"\\u0000": null}}'}, {"claims": '{"userinfo": {"\\ud800": null}}'}),
    *({"claims": '{"id_token": {"email": {"value": NaN}}}'}, {"claims": "9" * 5000}),
    *({"claims": '{"id_token": {"email": {"value": 1e999}}}'}, {"claims": NESTED}),
    *({"claims": '{"id_token": {"acr": {"values": [1, null, {}]}}}'}, {"claims": DEEP}),
    *({"claims": '{"id_token": {"sub": {"value": ["x"]}}}'}, {"id_token_hint": "a." * 4000}),
    {"id_token_hint": f"{base64.urlsafe_b64encode(DEEP.encode()).decode()}.e30.x"},
    *({"resource": "https://api.example.com\x00"}, {"scope": "openid \x00"}),
    {"prompt": "login " * 500},
)
HOSTILE_HEADERS = (
    *(b"\x00:\x00", b"shop", b"\xff\xfe:\xff", b"%zz:%", b"%00:x", b"sh%C3op:x", b":", b""),
    *(b"a" * 9000 + b":b", b"shop:" + b"%F0%9F%94%91" * 50),
)
HOSTILE_IDS = ("\x00", "shop\x00", "x" * 5000, "../x", "'; --", "SHOP", "shop ", "\u0455hop")
ENDPOINTS = ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke")


@pytest.fixture
def app(app, request, tmp_path):
    """An application, with the risk policy of its test."""
    return apply_policy(app, request, tmp_path)


@pytest.fixture
def ada(make_user):
    return make_user(email="ada@example.com")


def is_standard_error(response):
    """Return whether this is an error of RFC 6749 section 5.2."""
    return response.status_code in (400, 401) and "error" in response.json


@pytest.mark.stores
@pytest.mark.requirement("OA-14", "OP-02")
def test_hostile_values_end_a_sign_in_with_a_code_or_an_error(relying_party, ada):
    broken = []
    for parameters in HOSTILE_VALUES:
        relying_party.browser.cookies.clear()
        page = relying_party.start(ada, **parameters)
        answer = answer_of(page, relying_party.redirect_uri) or {}
        code = answer.get("code")
        redeemed = relying_party.exchange(code).status_code if code else 200
        if page.response.status_code >= 400 or redeemed != 200 or SCRIPT in page.text:
            broken.append((parameters, page.url))
        if "state" in parameters:
            assert answer["state"] == parameters["state"]

    assert broken == []


@pytest.mark.stores
@pytest.mark.requirement("OA-11")
def test_hostile_names_and_credentials_of_clients_get_the_standards_error(client, relying_party):
    accepted = []
    for path in ENDPOINTS:
        form = {"grant_type": "client_credentials", "token": "x"}
        for raw in HOSTILE_HEADERS:
            head = {"Authorization": f"Basic {base64.b64encode(raw).decode()}"}
            if not is_standard_error(client.post(path, data=form, headers=head)):
                accepted.append((path, raw))
        names = ("client_id", "client_secret", "token", "grant_type", "code", "refresh_token")
        for value in HOSTILE_IDS:
            if not is_standard_error(client.post(path, data=dict.fromkeys(names, value))):
                accepted.append((path, value))

    assert accepted == []


@pytest.mark.stores
@pytest.mark.requirement("OA-02")
def test_hostile_names_of_clients_get_an_error_page(client, relying_party):
    for path in ("/oauth2/authorize", "/oauth2/logout"):
        for value in HOSTILE_IDS:
            page = client.get(path, query_string={"client_id": value})
            assert (page.status_code, page.mimetype) == (400, "text/html"), (path, value)


@pytest.mark.requirement("OA-11")
def test_credentials_in_a_url_or_in_json_are_not_read(client, relying_party, ada):
    tokens = relying_party.sign_in(ada)
    mine = {"client_id": "shop", "client_secret": secret_of("shop")}
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    in_url = client.post("/oauth2/token", query_string=mine, data=form)
    by_get = client.get("/oauth2/token", query_string=mine | form)
    in_json = client.post("/oauth2/token", mine | form)
    userinfo = client.get("/oauth2/userinfo", query_string={"access_token": "x"} | tokens)

    statuses = [one.status_code for one in (in_url, by_get, in_json, userinfo)]
    assert statuses == [400, 405, 415, 401]
    assert relying_party.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.requirement("OA-18")
def test_forms_of_other_sites_open_no_session(app, relying_party, ada):
    page = relying_party.start()
    typed = {"identifier": ada.email, "password": ada.password}
    fields = [(name, typed.get(name, value)) for name, value in page.forms[0].fields]

    for origin in ("https://evil.example", "null", "http://localhost:8001", "https://localhost"):
        for path in ("/auth/sign-in", "/auth/sign-in/code", "/auth/sign-in/enrolment"):
            answer = relying_party.browser.post(f"{relying_party.issuer}{path}", fields, origin)
            assert answer.response.status_code == 403, (origin, path)

    assert rows(app, Session) == []
    assert relying_party.browser.cookies == {}


@pytest.mark.requirement("SE-06", "OA-03")
def test_code_gives_nothing_after_the_user_signed_out_or_changed_the_password(
    app, client, relying_party, ada
):
    def sign_out(mine):
        assert mine.post("/auth/logout", {"scope": "others"}).status_code < 300

    def change_password(mine):
        form = {"current_password": ada.password, "password": "another long phrase 43"}
        assert mine.post("/auth/password/change", form).status_code < 300

    for act in (sign_out, change_password):
        codes = []
        for scope in ("openid", "openid offline_access"):
            relying_party.browser = FormBrowser(relying_party._new_connection, relying_party.issuer)
            codes.append((relying_party.authorize(ada, scope=scope)["code"], relying_party.sent))
        act(client.as_(client.log_in(ada)))
        for code, relying_party.sent in codes:
            assert relying_party.exchange(code).json["error"] == "invalid_grant", act

    assert {grant.code_used_at for grant in rows(app, OAuthGrant)} == {None}


@pytest.mark.requirement("OA-19")
def test_tokens_lose_the_scopes_that_the_operator_takes_from_the_client(app, relying_party, ada):
    scope = "openid email offline_access"
    tokens = relying_party.sign_in(ada, scope=scope)
    code = relying_party.authorize(ada, scope=scope)["code"]
    with app.app_context():
        db.session.execute(sa.update(OAuthClient).values(scopes=["openid"]))
        db.session.commit()

    answers = (relying_party.exchange(code), relying_party.refresh(tokens["refresh_token"]))

    assert [one.json["scope"] for one in answers] == ["openid", "openid"]
    assert relying_party.userinfo(tokens["access_token"]).json.keys() == {"sub"}


@pytest.mark.requirement("SE-03")
def test_refresh_cookie_that_was_used_before_gives_no_code(app, relying_party, ada, wait):
    browser = relying_party.browser
    relying_party.authorize(ada)
    stolen = dict(browser.cookies)
    csrf = {"X-CSRF-Token": stolen["__Host-csrf"][0], "Origin": relying_party.issuer}
    browser.open(f"{relying_party.issuer}/auth/refresh", method="POST", **csrf)
    mine = dict(browser.cookies)
    wait(minutes=20)

    found = {}
    for name, cookies in (("stolen", stolen), ("mine", mine)):
        browser.cookies = dict(cookies)
        found[name] = relying_party.read_answer(relying_party.start(prompt="none"))
        assert ("code" in found[name]) == (name == "mine"), found
    browser.cookies = dict(stolen)
    page = relying_party.start()

    assert found["stolen"]["error"] == "login_required"
    assert "password" in page.forms[0].values()
    assert stolen["__Secure-refresh"] != mine["__Secure-refresh"]
    assert [session.ended_at for session in rows(app, Session)] == [None]


class NamedBrowser(FormBrowser):
    """A browser with a name, which its user changes, or a thief."""

    name = FIREFOX

    def open(self, url, data=None, method="GET", **headers):
        return super().open(url, data, method, **{"User-Agent": self.name, **headers})


@pytest.mark.requirement("AZ-07")
@with_policy('changed_user_agent = "refuse"')
def test_refresh_cookie_in_another_browser_gives_no_code_where_a_refresh_would_be_refused(
    app, relying_party, ada, wait
):
    browser = NamedBrowser(relying_party._new_connection, relying_party.issuer)
    relying_party.browser = browser
    relying_party.authorize(ada)
    wait(minutes=20)

    browser.name = CURL
    moved = relying_party.read_answer(relying_party.start(prompt="none"))
    browser.name = FIREFOX
    stayed = relying_party.read_answer(relying_party.start(prompt="none"))

    assert moved["error"] == "login_required"
    assert "code" in stayed
