"""A change of factors: what authentication it needs, and what it ends."""

from dataclasses import replace

import pytest

from gatehouse.lockout import service as lockout
from gatehouse.lockout.backoff import FACTOR
from gatehouse.web.request_context import NO_REQUEST
from models import Credential, Session
from tests.client import PASSWORD
from tests.mfa.otp import NUMBER
from tests.rows import rows

STEP_UP = (401, "insufficient_user_authentication")
FACTORS = "/auth/mfa/factors"


def status_and_code(response):
    return response.status_code, (response.json or {}).get("code")


def change_factors(client, factor_id):
    """Try each change of factors; return status and code by request."""
    responses = {
        "enrol": client.post(FACTORS, {"kind": "totp"}),
        "replace recovery codes": client.post("/auth/mfa/recovery-codes"),
        "register a passkey": client.post("/auth/passkeys/registration/options"),
        "remove": client.delete(f"{FACTORS}/{factor_id}"),
    }
    return {name: status_and_code(response) for name, response in responses.items()}


@pytest.fixture
def ada(client, make_user):
    """A user with TOTP, whose tokens are those of a login with it."""
    user = make_user(email="ada@example.com", factors=["totp"])
    client.complete_mfa(user, client.log_in(user), remember_device=True)
    return user


def totp_id(client, user):
    items = client.as_(user.tokens).get(FACTORS).json["items"]
    return next(item["id"] for item in items if item["kind"] == "totp")


@pytest.mark.requirement("RG-09", "MF-10", "MF-12")
def test_factor_change_needs_the_second_factor_also_on_a_trusted_device(app, client, ada):
    factor_id, headers = totp_id(client, ada), {"X-Device-Token": ada.tokens["device_token"]}
    form = {"identifier": ada.email, "password": PASSWORD}
    password_only = client.post("/auth/login", form, headers=headers).json

    results = change_factors(client.as_(password_only), factor_id)

    assert password_only["status"] == "authenticated"
    assert set(results.values()) == {STEP_UP}, results
    assert len(rows(app, Credential)) == 2


@pytest.mark.requirement("RG-09", "MF-10", "MF-12")
def test_factor_change_needs_a_recent_second_factor_and_not_only_a_recent_password(
    app, client, ada, wait
):
    factor_id = totp_id(client, ada)
    wait(minutes=9)
    tokens = client.renew(ada.tokens)
    wait(minutes=2)
    form = {"password": PASSWORD}
    tokens = client.as_(tokens).post("/auth/reauthenticate", form).json

    results = change_factors(client.as_(tokens), factor_id)

    assert set(results.values()) == {STEP_UP}, results
    assert len(rows(app, Credential)) == 2
    form = {"factor": "totp", "code": ada.totp()}
    stepped_up = client.as_(tokens).post("/auth/reauthenticate", form).json
    changed = change_factors(client.as_(stepped_up), factor_id)
    assert [status for status, _ in changed.values()] == [201, 201, 200, 204]


@pytest.mark.requirement("RG-09", "MF-10")
def test_factor_confirmation_needs_a_recent_authentication(app, client, make_user, wait):
    user = make_user()
    factor = client.as_(client.log_in(user)).post(FACTORS, {"kind": "totp"}).json
    user.secret = factor["secret"]
    wait(minutes=9)
    tokens = client.renew(user.tokens)
    wait(minutes=2)
    confirm = f"{FACTORS}/{factor['id']}/confirm"

    rejected = client.as_(tokens).post(confirm, {"code": user.totp()})

    [credential] = rows(app, Credential)
    assert (status_and_code(rejected), credential.confirmed_at) == (STEP_UP, None)
    tokens = client.as_(tokens).post("/auth/reauthenticate", {"password": PASSWORD}).json
    assert client.as_(tokens).post(confirm, {"code": user.totp()}).status_code == 200


@pytest.mark.requirement("SE-07")
def test_factor_confirmation_ends_the_other_sessions(app, client, make_user):
    user = make_user()
    other = client.log_in(user)
    client.log_in(user)

    client.enrol_totp(user)

    assert client.as_(other).get("/auth/me").json["code"] == "token_revoked"
    assert client.refresh(other).json["code"] == "session_ended"
    assert client.as_(user.tokens).get("/auth/me").status_code == 200
    ended = [session.end_reason for session in rows(app, Session) if session.ended_at]
    assert ended == ["factor_added"]


@pytest.mark.requirement("MF-07")
def test_sms_factor_needs_a_number_that_its_user_verified(client, make_user):
    mine = client.as_(client.log_in(make_user(phone=NUMBER)))

    response = mine.post(FACTORS, {"kind": "sms"})

    assert status_and_code(response) == (409, "phone_unverified")
    assert client.mailbox(to=NUMBER) == []


@pytest.mark.requirement("MF-07")
@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_sms_factor_is_no_choice_in_a_login_without_a_verified_number(client, make_user):
    challenge = client.log_in(make_user(phone=NUMBER))
    form = {"mfa_token": challenge["mfa_token"], "kind": "sms"}

    response = client.post("/auth/login/mfa/enrolment", form)

    assert challenge["kinds"] == ["totp", "passkey"]
    assert status_and_code(response) == (403, "factor_unavailable")
    assert client.mailbox(to=NUMBER) == []


@pytest.mark.requirement("MF-06", "RG-04")
def test_factor_attempts_are_not_given_back_by_a_password_reset(app, client, make_user):
    """Access to the mailbox must not allow more attempts at the second factor."""
    user = make_user(factors=["totp"])
    with app.app_context():
        user_id = rows(app, Session)[0].user_id
        for network in range(100):
            context = replace(NO_REQUEST, ip_address=f"203.0.{network}.1")
            lockout.count_attempt(user_id, None, context, FACTOR)
    client.post("/auth/password/forgot", {"email": user.email})
    code = client.mailbox(to=user.email)[0]["variables"]["code"]
    user.password = "another long phrase instead"
    reset = {"email": user.email, "code": code, "password": user.password}
    assert client.post("/auth/password/reset", reset).status_code == 204

    form = {"mfa_token": client.log_in(user)["mfa_token"], "factor": "totp", "code": user.totp()}
    response = client.post("/auth/login/mfa", form)

    assert status_and_code(response) == (429, "too_many_attempts")
