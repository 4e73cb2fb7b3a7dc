"""Journeys: every kind of login, then a refresh and a logout, in body and in cookie mode."""

import pytest

from tests.client import PASSWORD
from tests.mail_links import read_mail
from tests.mfa.authenticator import Authenticator

ADA = "ada@example.com"
NEW = "another unlikely phrase 43"


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


def use_refresh_and_log_out(client, tokens):
    """Use a session, refresh it and log out; its tokens must be rejected afterwards."""
    assert client.as_(tokens).get("/auth/me").json["email"] == ADA
    renewed = client.renew(tokens)
    assert client.as_(renewed).get("/auth/me").json["email"] == ADA

    assert client.as_(renewed).post("/auth/logout").status_code == 204

    assert read_problem(client.as_(renewed).get("/auth/me")) == (401, "token_revoked")
    assert read_problem(client.refresh(renewed)) == (401, "session_ended")


def read_problem(response):
    return response.status_code, response.json["code"]


def returns_tokens_as_requested(client, response):
    """Return whether the body contains tokens in body mode only."""
    returned = {"access_token", "refresh_token", "device_token"} & response.json.keys()
    return not returned if client.transport_form else len(returned) == 3


def test_login_with_a_second_factor(either_client, ada):
    client = either_client
    client.log_in(ada)
    client.enrol_totp(ada)

    challenge = client.log_in(ada)
    assert challenge.keys() == {"status", "expires_in", "mfa_token", "factors"}
    assert not getattr(challenge, "cookies", None)

    use_refresh_and_log_out(client, client.complete_mfa(ada, challenge))


def test_login_by_a_code_sent_by_email(either_client, ada):
    client = either_client
    started = client.post("/auth/login/link", {"email": ADA}).json

    form = {
        "login_token": started["login_token"],
        "code": read_mail(client, ADA)["code"],
        **client.transport_form,
    }
    response = client.post("/auth/login/link/verify", form)

    assert returns_tokens_as_requested(client, response)
    use_refresh_and_log_out(client, client.read_tokens(response))


def test_login_with_a_passkey(either_client, ada):
    client, authenticator = either_client, Authenticator()
    mine = client.as_(client.log_in(ada))
    started = mine.post("/auth/passkeys/registration/options").json
    form = {"credential": authenticator.create(started["public_key"])}
    assert mine.post("/auth/passkeys/registration/verify", form).status_code == 201

    started = client.post("/auth/passkeys/authentication/options").json
    form = {"login_token": started["login_token"], **client.transport_form}
    form["credential"] = authenticator.get(started["public_key"])
    response = client.post("/auth/passkeys/authentication/verify", form)

    assert returns_tokens_as_requested(client, response)
    use_refresh_and_log_out(client, client.read_tokens(response))


def test_reauthentication_renews_a_stale_session(either_client, ada, wait):
    client = either_client
    client.log_in(ada)
    wait(minutes=9)
    client.enrol_totp(ada)
    wait(minutes=2)
    tokens = client.renew(client.complete_mfa(ada, client.log_in(ada)))
    wait(minutes=9)
    tokens = client.renew(tokens)
    wait(minutes=2)

    mine = client.as_(tokens)
    stale = mine.post("/auth/mfa/factors", {"kind": "totp"})
    assert read_problem(stale) == (401, "insufficient_user_authentication")
    response = mine.post("/auth/reauthenticate", {"code": ada.totp()})
    fresh = mine.read_tokens(response)

    assert client.as_(fresh).post("/auth/mfa/factors", {"kind": "totp"}).status_code == 201
    use_refresh_and_log_out(client, fresh)


def test_login_after_a_password_reset(either_client, ada):
    client = either_client
    before = client.log_in(ada)
    client.post("/auth/password/forgot", {"email": ADA})

    form = {"email": ADA, "code": read_mail(client, ADA)["code"], "password": NEW}
    assert client.post("/auth/password/reset", form).status_code == 204

    assert read_problem(client.as_(before).get("/auth/me")) == (401, "token_revoked")
    assert client.post("/auth/login", {"identifier": ADA, "password": PASSWORD}).status_code == 401
    ada.password = NEW
    use_refresh_and_log_out(client, client.log_in(ada))
