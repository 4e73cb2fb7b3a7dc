"""Hooks before a login: every method asks them, and nothing bypasses a denial."""

from __future__ import annotations

from functools import partial

import pytest

from gatehouse.database.session import db
from models import OneTimeCode, Session
from tests.client import PASSWORD
from tests.hooks.receiver import DENY, is_signed
from tests.mail_links import read_mail
from tests.mfa.passkey_sign_up import PasskeyApplicant
from tests.rows import audited, rows

pytestmark = pytest.mark.usefixtures("patience")
ADA, KEY_USER = "ada@example.com", "kay@example.com"
DENIED = (403, "login_denied")


def outcome(response):
    return response.status_code, response.json.get("code", response.json.get("status"))


@pytest.fixture
def methods(client, make_user):
    """Log in with each method: methods["link"]()."""
    make_user(email=ADA)
    kay = PasskeyApplicant(client, KEY_USER)
    kay.register()
    kay.verify_email()

    def log_in_with_password(password=PASSWORD):
        return client.post("/auth/login", {"identifier": ADA, "password": password})

    def log_in_with_link():
        token = client.post("/auth/login/link", {"email": ADA}).json["login_token"]
        form = {"login_token": token, "code": read_mail(client, ADA)["code"]}
        return client.post("/auth/login/link/verify", form)

    return {
        "password": log_in_with_password,
        "link": log_in_with_link,
        "passkey": kay.sign_in,
    }


def test_login_is_allowed_by_every_method_and_hooks_see_who_logs_in(
    app, methods, receiver, create_hook
):
    secret = create_hook("before_login")

    for log_in in methods.values():
        assert outcome(log_in()) == (200, "authenticated")

    found = {tuple(one["data"]["amr"]): one["data"]["user"]["email"] for one in receiver.received}
    assert found == {("pwd",): ADA, ("email",): ADA, ("hwk", "mfa"): KEY_USER}
    for received, headers, body in zip(
        receiver.received, receiver.headers, receiver.bodies, strict=True
    ):
        assert received["type"] == "before_login"
        assert received["data"].keys() == {
            *("user", "amr", "risk", "ip_address", "user_agent", "request_id")
        }
        assert is_signed(headers, body, secret)
    assert audited(app, "hook.denied", "hook.failed") == []  # what is allowed is not recorded


def test_login_is_denied_by_every_method(app, methods, receiver, create_hook):
    create_hook("before_login")
    receiver.answer = DENY

    for log_in in methods.values():
        response = log_in()
        assert outcome(response) == DENIED
        assert response.json["detail"] == DENY["message"]
        assert response.json["reason"] == DENY["code"]

    assert rows(app, Session) == []
    events = audited(app, "hook.denied")
    assert [event.details["reason"] for event in events] == [DENY["code"]] * 3
    assert {event.target_kind for event in events} == {"hook"}
    refused = audited(app, "login.refused")
    assert [event.details["code"] for event in refused] == ["login_denied"] * 3


def test_login_denied_once_can_be_allowed_later_with_the_same_link(
    app, client, make_user, receiver, create_hook
):
    make_user(email=ADA)
    create_hook("before_login")
    token = client.post("/auth/login/link", {"email": ADA}).json["login_token"]
    form = {"login_token": token, "code": read_mail(client, ADA)["code"]}

    receiver.answer = DENY
    denied = client.post("/auth/login/link/verify", form)
    receiver.reset()
    allowed = client.post("/auth/login/link/verify", form)

    assert (outcome(denied), outcome(allowed)) == (DENIED, (200, "authenticated"))


@pytest.mark.requirement("RG-01")
def test_login_with_a_second_factor_does_not_bypass_a_denial(
    app, client, make_user, receiver, create_hook
):
    ada = make_user(email=ADA, factors=["totp"])
    before = len(rows(app, Session))
    create_hook("before_login")
    receiver.answer = DENY

    response = client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})

    assert outcome(response) == DENIED
    assert "mfa_token" not in response.json
    assert not [row for row in rows(app, OneTimeCode) if row.purpose == "mfa"]
    receiver.reset()
    challenge = client.post("/auth/login", {"identifier": ADA, "password": PASSWORD}).json
    receiver.answer = DENY
    assert client.complete_mfa(ada, challenge)["status"] == "authenticated"
    assert len(receiver.received) == 1  # asked once, before the second step
    assert len(rows(app, Session)) == before + 1


def test_login_asks_no_hook_before_the_credential_is_right(client, methods, receiver, create_hook):
    create_hook("before_login")

    wrong = methods["password"]("not the right one")
    unknown = client.post("/auth/login", {"identifier": "x@example.com", "password": PASSWORD})

    assert outcome(wrong) == outcome(unknown) == (401, "invalid_credentials")
    assert receiver.received == []


def test_login_hooks_are_asked_by_name_until_one_denies(methods, receiver, create_hook):
    for name in ("b", "a", "c"):
        create_hook("before_login", name=name, url=f"{receiver.url}?{name}")
    create_hook("before_login", name="d", enabled=False)
    create_hook("before_registration", name="e")

    assert outcome(methods["password"]()) == (200, "authenticated")
    assert len(receiver.received) == 3
    receiver.reset()
    receiver.answer = DENY
    assert outcome(methods["password"]()) == DENIED
    assert len(receiver.received) == 1


@pytest.mark.stores
def test_login_hook_is_asked_while_no_transaction_is_open(
    app, client, make_user, receiver, create_hook
):
    make_user(email=ADA)
    create_hook("before_login")
    in_use = []

    def look(answer):
        with app.app_context():
            in_use.append([engine.pool.checkedout() for engine in db.engines.values()])
        return answer()

    receiver.answer = partial(look, lambda: receiver.released.set() or receiver.wait())
    response = client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})

    assert outcome(response) == (200, "authenticated")
    assert [sum(one) for one in in_use] == [0]


def test_login_denial_is_seen_by_its_user_in_the_history(
    app, client, make_user, receiver, create_hook
):
    ada = make_user(email=ADA)
    tokens = client.log_in(ada)
    create_hook("before_login")
    receiver.answer = DENY
    client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})

    items = client.as_(tokens).get("/auth/me/history").json["items"]

    assert [item["event"] for item in items][:2] == ["login.refused", "login.succeeded"]
    assert DENY["message"] not in str(items)
