"""RP-initiated logout: the situations of the OpenID Foundation's modules, and attacks.

OpenID Connect RP-Initiated Logout 1.0; each test named after a module asserts what that does.
"""

import time
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import jwt
import pytest

from gatehouse.tokens.worker_state import state
from models import LogoutNotification, OAuthGrant, Session
from tests.client import PASSWORD
from tests.oauth.form_browser import FormBrowser
from tests.oauth.grants import authorize_grant
from tests.rows import audited, rows
from tests.tokens.forgery import case

ISSUER = "http://localhost:8000"
RETURN = "https://shop.example.com/signed-out"
LOGOUT = f"{ISSUER}/oauth2/logout"

pytestmark = pytest.mark.requirement("OP-05")


class Rp:
    """A user's browser that is signed in, also to the client `shop`, and the ID token of that."""

    def __init__(self, app, user, client_id="shop"):
        self.app, self.user, self.client_id = app, user, client_id
        self.browser = FormBrowser(lambda: app.test_client(use_cookies=False), ISSUER)
        form = {"identifier": user.email, "password": PASSWORD, "transport": "cookie"}
        response = app.test_client(use_cookies=False).post("/auth/login", json=form)
        self.browser._keep_cookies(response, f"{ISSUER}/auth/login")
        access = self.browser.cookies["__Host-access"][0]
        [self.grant] = rows(app, OAuthGrant, id=authorize_grant(app, client_id, access))

    def id_token(self, header=None, key=None, **claims):
        """Return an ID token of this session, perhaps with other claims."""
        now = int(time.time())
        body = {"iss": ISSUER, "aud": self.client_id, "sub": self.grant.subject, "iat": now}
        body |= {"exp": now + 300, "sid": str(self.grant.sid), **claims}
        with self.app.app_context():
            active = state().require_keys().active
        headers = {"typ": "JWT", "kid": active.kid, **(header or {})}
        return jwt.encode(body, key or active.private, active.algorithm, headers)

    def log_out(self, method="GET", **parameters):
        """Send a logout request; follow it to a page or to the client."""
        query = urlencode(parameters)
        if method == "POST":
            return self.browser.post(LOGOUT, parameters, "https://shop.example.com")
        return self.browser.visit(f"{LOGOUT}?{query}")

    @property
    def is_signed_in(self):
        """Whether the session is active, and the browser has its cookies."""
        [session] = rows(self.app, Session, id=self.grant.authorized_session_id)
        has_cookies = "__Host-access" in self.browser.cookies
        assert has_cookies == (session.ended_at is None)
        return has_cookies


@pytest.fixture
def shop(make_client):
    return make_client(
        post_logout_redirect_uris=[RETURN, "https://shop.example.com/out?lang=de"],
        backchannel_logout_uri="https://shop.example.com/backchannel",
    )


@pytest.fixture
def rp(app, shop, make_user):
    return Rp(app, make_user(email="ada@example.com"))


def assert_returned(page, state=None):
    """The browser came to the registered address, with the state if there was one."""
    url = urlsplit(page.url)
    assert f"{url.scheme}://{url.netloc}{url.path}" == RETURN
    assert parse_qs(url.query) == ({"state": [state]} if state else {})


def assert_rejected(rp, page):
    """The browser shows an error page, and nothing has changed."""
    assert page.response.status_code == 400
    assert page.response.mimetype == "text/html"
    assert rp.browser.is_here(page.url)
    assert rp.is_signed_in


def confirm(rp, page):
    """The browser asks the user, who confirms."""
    assert rp.is_signed_in
    assert page.response.status_code == 200
    return rp.browser.submit(page, {})


@pytest.mark.stores
@pytest.mark.requirement("OP-06")
def test_rp_initiated_logout(app, rp):
    page = rp.log_out(id_token_hint=rp.id_token(), post_logout_redirect_uri=RETURN, state="s 1&2")

    assert_returned(page, "s 1&2")
    assert not rp.is_signed_in
    assert [event.details["reason"] for event in audited(app, "session.ended")] == ["logout"]
    assert [row.client_id for row in rows(app, LogoutNotification)] == ["shop"]


def test_rp_initiated_logout_by_post_from_the_site_of_the_client(rp):
    page = rp.log_out("POST", id_token_hint=rp.id_token(), post_logout_redirect_uri=RETURN)

    assert_returned(page)
    assert not rp.is_signed_in


def test_rp_initiated_logout_no_params(rp):
    page = confirm(rp, rp.log_out())

    assert not rp.is_signed_in
    assert "You are signed out" in page.text


def test_rp_initiated_logout_no_post_logout_redirect_uri(rp):
    page = rp.log_out(id_token_hint=rp.id_token(), state="unused")

    assert not rp.is_signed_in
    assert "You are signed out" in page.text
    assert rp.browser.is_here(page.url)


def test_rp_initiated_logout_no_state(rp):
    page = rp.log_out(id_token_hint=rp.id_token(), post_logout_redirect_uri=RETURN)

    assert_returned(page)


def test_rp_initiated_logout_only_state(rp):
    page = confirm(rp, rp.log_out(state="only"))

    assert rp.browser.is_here(page.url)
    assert not rp.is_signed_in


def test_rp_initiated_logout_no_id_token_hint(rp):
    assert_rejected(rp, rp.log_out(post_logout_redirect_uri=RETURN, state="s"))

    page = rp.log_out(client_id="shop", post_logout_redirect_uri=RETURN, state="s")

    assert_returned(confirm(rp, page), "s")
    assert not rp.is_signed_in


def test_rp_initiated_logout_bad_id_token_hint(rp):
    for hint in ("bad", "a.b.c", "x" * 10_000, "\x00"):
        with case(hint=hint[:10]):
            assert_rejected(rp, rp.log_out(id_token_hint=hint, post_logout_redirect_uri=RETURN))


def test_rp_initiated_logout_modified_id_token_hint(rp):
    head, body, signature = rp.id_token().split(".")
    other_body = rp.id_token(sub="another").split(".")[1]
    for hint in (f"{head}.{other_body}.{signature}", f"{head}.{body}.", f"{head}.{body}.AAAA"):
        assert_rejected(rp, rp.log_out(id_token_hint=hint, post_logout_redirect_uri=RETURN))


def test_rp_initiated_logout_bad_post_logout_redirect_uri(rp):
    for uri in (
        "https://evil.example.com/",
        f"{RETURN}/",
        f"{RETURN}#x",
        RETURN.upper(),
        "https://shop.example.com@evil.example.com/signed-out",
        "javascript:alert(1)",
        "https://shop.example.com/callback",  # registered for codes only
    ):
        with case(uri=uri):
            page = rp.log_out(id_token_hint=rp.id_token(), post_logout_redirect_uri=uri)
            assert_rejected(rp, page)


def test_rp_initiated_logout_query_added_to_post_logout_redirect_uri(rp):
    for uri in (f"{RETURN}?a=b", "https://shop.example.com/out?lang=de&a=b"):
        page = rp.log_out(id_token_hint=rp.id_token(), post_logout_redirect_uri=uri)
        assert_rejected(rp, page)

    registered = "https://shop.example.com/out?lang=de"
    page = rp.log_out(id_token_hint=rp.id_token(), post_logout_redirect_uri=registered, state="s")

    assert page.url == f"{registered}&state=s"


# More than the modules ask for


def test_logout_accepts_an_expired_hint(rp):
    old = rp.id_token(iat=1, exp=2)

    assert_returned(rp.log_out(id_token_hint=old, post_logout_redirect_uri=RETURN))
    assert not rp.is_signed_in


@pytest.mark.requirement("JW-06")
def test_logout_rejects_hints_of_other_kinds_issuers_and_clients(app, rp, make_client):
    make_client(id="wiki", post_logout_redirect_uris=[RETURN])
    hints = {
        "access token": rp.browser.cookies["__Host-access"][0],
        "refresh token": rp.browser.cookies["__Secure-refresh"][0],
        "type": rp.id_token(header={"typ": "at+jwt"}),
        "logout token": rp.id_token(header={"typ": "logout+jwt"}, events={}),
        "events": rp.id_token(events={}),
        "issuer": rp.id_token(iss="https://evil.example.com"),
        "audiences": rp.id_token(aud=["shop", "wiki"]),
        "unknown client": rp.id_token(aud="nobody"),
        "unknown key": rp.id_token(header={"kid": "other"}),
    }
    for name, hint in hints.items():
        with case(name=name):
            assert_rejected(rp, rp.log_out(id_token_hint=hint, post_logout_redirect_uri=RETURN))

    assert_rejected(rp, rp.log_out(id_token_hint=rp.id_token(), client_id="wiki"))
    assert_rejected(rp, rp.log_out(client_id="nobody"))


def test_logout_with_the_hint_of_another_session_asks(app, rp, make_user):
    other = Rp(app, make_user(email="eve@example.com"))

    page = rp.log_out(id_token_hint=other.id_token(), post_logout_redirect_uri=RETURN)

    assert rp.is_signed_in
    assert "Sign out?" in page.text
    assert "Shop" in page.text
    assert other.is_signed_in


def test_logout_hint_of_another_account_asks_and_is_not_shown(app, rp, make_user):
    other = make_user(email="eve@example.com")
    hinted = {"id_token_hint": rp.id_token(), "post_logout_redirect_uri": RETURN}

    for hint in (other.email, "<b>eve", "0" * 3000):
        page = rp.log_out(**hinted, logout_hint=hint)
        assert (rp.is_signed_in, page.response.status_code) == (True, 200), hint
        assert "another account" in page.text
        assert "ada@example.com" in page.text
        assert hint not in page.text

    assert_returned(confirm(rp, page))
    assert not rp.is_signed_in


def test_logout_hint_of_the_session_says_who_is_signed_in_and_proves_nothing(app, rp):
    page = rp.log_out(client_id="shop", logout_hint="ada@example.com")

    assert "ada@example.com" in page.text
    assert "another account" not in page.text
    for name in ("email", "sid", "sub"):
        again = Rp(app, rp.user)
        values = {
            "email": "ADA@example.com",
            "sid": str(again.grant.sid),
            "sub": again.grant.subject,
        }
        hints = {"id_token_hint": again.id_token(), "logout_hint": values[name]}
        assert_returned(again.log_out(**hints, post_logout_redirect_uri=RETURN))
        assert not again.is_signed_in


def test_logout_needs_the_csrf_token_of_the_session(app, rp, make_user):
    page = rp.log_out()
    form = page.forms[0].values()
    foreign = Rp(app, make_user(email="eve@example.com")).log_out().forms[0].values()["csrf_token"]

    for token in ("", "wrong", foreign):
        answer = rp.browser.post(
            f"{ISSUER}/auth/end-session", {**form, "csrf_token": token}, ISSUER
        )
        assert answer.response.status_code == 403
        assert rp.is_signed_in
    answer = rp.browser.post(f"{ISSUER}/auth/end-session", form, "https://evil.example.com")
    assert answer.response.status_code == 403
    assert rp.is_signed_in


def test_logout_request_expires_and_cannot_be_changed(rp, wait):
    page = rp.log_out(id_token_hint=rp.id_token(), client_id="shop")
    sealed = next(url for _, url, _ in rp.browser.trail if "?request=" in url)
    assert "You are signed out" in page.text

    assert rp.browser.visit(f"{sealed[:-4]}AAAA").response.status_code == 400
    assert rp.browser.visit(f"{ISSUER}/auth/end-session").response.status_code == 400
    wait(hours=2)
    assert rp.browser.visit(sealed).response.status_code == 400


def test_logout_works_when_the_access_cookie_has_expired(rp):
    rp.browser.cookies.pop("__Host-access")

    page = rp.log_out(id_token_hint=rp.id_token(), post_logout_redirect_uri=RETURN)

    assert_returned(page)
    assert rows(rp.app, Session, id=rp.grant.authorized_session_id)[0].ended_at


def test_logout_without_a_session_returns_to_the_client(rp):
    rp.browser.cookies.clear()

    page = rp.log_out(id_token_hint=rp.id_token(), post_logout_redirect_uri=RETURN, state="s")

    assert_returned(page, "s")


def test_logout_page_is_in_the_language_of_ui_locales_and_cannot_be_framed(rp):
    page = rp.log_out(ui_locales="xx fr-CA en", client_id="shop", post_logout_redirect_uri=RETURN)

    headers = page.response.headers
    assert "Se déconnecter\N{NO-BREAK SPACE}?" in page.text
    assert headers["Referrer-Policy"] == "same-origin"
    assert "form-action 'self' https:;" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_logout_rejects_a_repeated_parameter(rp):
    assert rp.browser.visit(f"{LOGOUT}?state=a&state=b").response.status_code == 400
    page = rp.browser.post(LOGOUT, [("state", "a"), ("state", "b")], ISSUER)
    assert page.response.status_code == 400


def test_logout_ends_the_grants_of_the_session(app, rp):
    rp.log_out(id_token_hint=rp.id_token())

    [grant] = rows(app, OAuthGrant, id=rp.grant.id)
    assert isinstance(grant.id, UUID)
    assert grant.end_reason == "session_ended"
