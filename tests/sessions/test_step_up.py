"""The assurance level of a session follows from when its second factor was authenticated."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gatehouse.sessions import step_up
from models import Session
from tests.client import PASSWORD
from tests.mail_links import read_mail
from tests.mfa import otp
from tests.rows import rows
from tests.sessions.token_responses import token_claims

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=30)


def session_after(*steps):
    """Return a session with the methods of a login, and those added later; each with its age."""
    session = Session(last_seen_at=NOW)
    (amr, age), *later = steps
    step_up.record_authentication(session, amr, NOW - age)
    for amr, age in later:
        session.last_seen_at = NOW - age
        step_up.add_authentication(session, amr, NOW - age)
    return session.amr, session.acr, session.aal2_authenticated_at


@pytest.mark.requirement("SE-04")
@pytest.mark.requirement("MF-12")
def test_step_up_reaches_aal2_only_with_the_time_of_a_possession_factor():
    half_hour, days, none = timedelta(minutes=30), timedelta(days=13), timedelta()
    passkey, sms, password = ["hwk", "mfa"], ["sms"], ["pwd"]

    for expected, *steps in (
        ((["pwd"], "aal1", None), (password, none)),
        ((["sms"], "aal1", None), (sms, none)),
        ((["hwk", "mfa"], "aal2", NOW), (passkey, none)),
        ((["pwd", "sms", "mfa"], "aal2", NOW), (password, half_hour), (sms, none)),
        ((["pwd"], "aal1", None), (sms, days), (password, none)),
        ((["pwd"], "aal1", None), (sms, half_hour), (password, none)),
        ((["pwd"], "aal1", None), (passkey, days), (password, none)),
        ((["hwk", "pwd", "mfa"], "aal2", BEFORE), (passkey, half_hour), (password, none)),
        ((["hwk", "pwd", "sms", "mfa"], "aal2", NOW), (passkey, half_hour), (password + sms, none)),
        ((["email"], "aal1", None), (sms, days), (["email"], none)),
    ):
        assert session_after(*steps) == expected, steps


@pytest.mark.stores
@pytest.mark.requirement("SE-04")
def test_password_beside_an_old_login_by_sms_is_no_second_factor(app, client, make_user, wait):
    user = make_user()
    client.log_in(user)
    otp.verify_phone(client, user)
    wait(seconds=1)
    sent = client.post("/auth/login/link", {"phone": otp.NUMBER}).json
    code = {"login_token": sent["login_token"], "code": read_mail(client, otp.NUMBER)["code"]}
    tokens = client.read_tokens(client.post("/auth/login/link/verify", code))
    for _ in range(2):
        wait(days=6)
        tokens = client.renew(tokens)

    stepped_up = client.as_(tokens).post("/auth/reauthenticate", {"password": PASSWORD})

    claims = token_claims(stepped_up.json, "access_token")
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    assert {row.aal2_authenticated_at for row in rows(app, Session)} == {None}


@pytest.mark.requirement("SE-04")
def test_password_keeps_no_session_whose_second_factor_is_too_old_where_one_is_required(
    app, client, make_user, monkeypatch, wait
):
    user = make_user(factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user))
    strict = replace(app.extensions["gatehouse.settings"], mfa="required")
    monkeypatch.setitem(app.extensions, "gatehouse.settings", strict)
    for minutes in [57] * 25 + [10]:
        wait(minutes=minutes)
        tokens = client.renew(tokens)
    wait(minutes=5, seconds=2)  # 24 hours and 2 seconds; the access token has a leeway of 5

    response = client.as_(tokens).post("/auth/reauthenticate", {"password": PASSWORD})

    assert (response.status_code, response.json["code"]) == (401, "session_ended")
    [session] = rows(app, Session, id=UUID(token_claims(tokens, "access_token")["sid"]))
    assert session.end_reason == "second_factor_too_old"
