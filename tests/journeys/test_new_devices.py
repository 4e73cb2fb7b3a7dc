"""Journeys: logins from devices and networks that the service has not seen before."""

import pytest

from tests.client import PASSWORD
from tests.journeys.conftest import ADA, NEW_PASSWORD
from tests.journeys.device import Browser, outcome
from tests.login.risk_applications import apply_policy, with_policy

AWAY = "198.51.100.1"
MFA_REQUIRED = (200, "mfa_required")
SIGNED_IN = (200, "authenticated")


@pytest.fixture
def app(app, request, tmp_path):
    """An application with the risk policy of `@with_policy(...)`."""
    return apply_policy(app, request, tmp_path)


def test_login_of_an_intruder_is_noticed_and_ended_by_the_user(new_device, ada, mailbox):
    mine, intruder = new_device(), new_device()
    intruder.ip_address = AWAY
    mine.log_in(ada)
    mine.log_out()
    assert outcome(mine.log_in(ada)) == SIGNED_IN
    assert mailbox.templates() == []

    assert outcome(intruder.log_in(ada)) == SIGNED_IN
    notice = mailbox.read("notice_new_device")
    assert notice["address"] == AWAY
    assert mine.open_page(notice["link"]).status_code == 200

    [stranger] = [s for s in mine.get("/auth/sessions").json["items"] if s["ip_address"] == AWAY]
    assert mine.delete(f"/auth/sessions/{stranger['id']}").status_code == 204
    form = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    assert mine.post("/auth/password/change", **form).status_code == 204
    assert not intruder.is_signed_in
    assert outcome(intruder.log_in(ada)) == (401, "invalid_credentials")


@with_policy('new_network = "ask_second_factor"')
def test_login_from_a_new_network_takes_a_mailed_code(new_device, ada, mailbox):
    home, away = new_device(), new_device()
    away.ip_address = AWAY
    assert outcome(home.log_in(ada)) == SIGNED_IN

    challenge = away.log_in(ada)
    assert outcome(challenge) == MFA_REQUIRED
    form = {"mfa_token": challenge.json["mfa_token"]}
    form["factor_id"] = challenge.json["factors"][0]["id"]
    assert away.post("/auth/login/mfa/challenge", **form).status_code == 200
    code = mailbox.read("factor_code")["code"]
    assert outcome(away.post("/auth/login/mfa", **form, code=code)) == SIGNED_IN
    assert away.session["amr"] == ["pwd", "email"]
    away.log_out()
    assert outcome(away.log_in(ada)) == SIGNED_IN


@with_policy('new_network = "refuse"')
def test_login_from_a_new_network_that_is_rejected_works_at_home(new_device, ada):
    home, away = new_device(), new_device()
    away.ip_address = AWAY
    assert outcome(home.log_in(ada)) == SIGNED_IN

    assert outcome(away.log_in(ada)) == (403, "login_refused")
    assert not away.is_signed_in
    assert outcome(home.log_in(ada)) == SIGNED_IN


def test_device_that_two_users_share_belongs_to_the_last_one(device, make_user):
    ada, grace = make_user(email=ADA, factors=["totp"]), make_user(email="grace@example.com")
    device.log_in_with_totp(ada, remember_device=True)
    before = device.duplicate()

    assert outcome(device.log_in(grace)) == SIGNED_IN
    assert device.me["email"] == grace.email
    assert device.get("/auth/devices").json["items"] == []
    assert len(device.get("/auth/sessions").json["items"]) == 1
    assert before.is_signed_in != isinstance(device, Browser)  # a browser has one session

    device.log_out()
    assert outcome(device.log_in(ada)) == SIGNED_IN  # it is still trusted
    assert device.me["email"] == ADA


def test_browser_reads_its_csrf_token_after_a_reload(app, ada):
    browser = Browser(app)
    browser.log_in(ada)
    del browser.client.cookies["__Host-csrf"]  # a script of another origin cannot read it

    assert outcome(browser.patch("/auth/me", name="Ada")) == (403, "csrf_failed")
    browser.client.cookies["__Host-csrf"] = browser.get("/auth/csrf").json["csrf_token"]
    assert browser.patch("/auth/me", name="Ada").json["name"] == "Ada"
