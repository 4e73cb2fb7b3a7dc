"""The browser and the relying party of these tests: a walk through forms of a small server."""

from __future__ import annotations

from functools import partial

import pytest
from flask import Flask, make_response, redirect, request
from werkzeug.wrappers import Response

from tests.oauth.form_browser import FormBrowser
from tests.oauth.relying_party import answer_of

ORIGIN = "http://localhost:8000"
CALLBACK = "https://shop.example.com/callback"
LOGIN = """<form action="/search"><input name="q"></form>
<form method="post" action="/login?request=abc"><input type="hidden" name="csrf" value="x">
<input name="identifier" required><input name="password" type="password" required>
<button>Sign in</button></form>"""
CONSENT = """<form method="post"><button name="decision" value="accept">Allow</button>
<button name="decision" value="deny">Deny</button></form>"""
FORM_POST = f"""<form method="post" action="{CALLBACK}"><input type="hidden" name="code" value="c">
</form>"""


@pytest.fixture
def site() -> FormBrowser:
    server = Flask("site")

    @server.get("/login")
    def show_login() -> str:
        return LOGIN

    @server.post("/login")
    def log_in() -> Response:
        assert request.headers["Origin"] == ORIGIN
        if request.form.to_dict() != {"csrf": "x", "identifier": "ann", "password": "y"}:
            return make_response(LOGIN)
        response = redirect("/consent", 303)
        response.set_cookie("session", "1", path="/consent")
        return response

    @server.route("/consent", methods=["GET", "POST"])
    def consent() -> Response | str:
        assert request.cookies.to_dict() == {"session": "1"}
        if request.method == "GET":
            return CONSENT
        return redirect(f"{CALLBACK}?code=c&decision={request.form['decision']}", 303)

    @server.get("/form-post")
    def post_form() -> str:
        assert not request.cookies
        return FORM_POST

    return FormBrowser(partial(server.test_client, use_cookies=False), ORIGIN)


@pytest.mark.parametrize("button", ["accept", "deny"])
def test_browser_fills_forms_up_to_the_answer(site: FormBrowser, button: str) -> None:
    page = site.visit(f"{ORIGIN}/login")

    end = site.walk(page, {"identifier": "ann", "password": lambda: "y"}, button)

    assert answer_of(end, CALLBACK) == {"code": "c", "decision": button}


def test_browser_stops_at_a_field_it_does_not_know(site: FormBrowser) -> None:
    page = site.visit(f"{ORIGIN}/login")

    end = site.walk(page, {"identifier": "ann"})

    assert end is page
    assert answer_of(end, CALLBACK) is None


def test_browser_is_stopped_when_a_form_comes_back_forever(site: FormBrowser) -> None:
    page = site.visit(f"{ORIGIN}/login")

    with pytest.raises(AssertionError, match="too many steps"):
        site.walk(page, {"identifier": "ann", "password": "wrong"})


def test_browser_reads_an_answer_that_is_posted_by_a_form(site: FormBrowser) -> None:
    end = site.walk(site.visit(f"{ORIGIN}/form-post"), {})

    assert answer_of(end, CALLBACK) == {"code": "c"}


def test_fixtures_register_clients_and_resources(make_client, make_resource) -> None:
    web = make_client()
    machine = make_client(id="robot", kind="service", authentication_method="private_key_jwt")

    assert (web.id, web.enabled, web.require_pkce) == ("shop", True, True)
    assert "d" not in machine.jwks["keys"][0]
    assert make_resource().scopes["orders:read"] == "See your orders"
