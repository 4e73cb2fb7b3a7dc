"""Every way in, a refresh, and out again: with tokens in bodies, and in a browser's cookies."""

import pytest

from tests.client import PASSWORD
from tests.letters import letter
from tests.mfa.authenticator import Authenticator

ADA = "ada@example.com"
NEW = "another unlikely phrase 43"


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


def goes_on_and_ends(client, tokens):
    """Use a session, refresh it and log out; afterwards nothing of it is good for anything."""
    assert client.as_(tokens).get("/auth/me").json["email"] == ADA
    renewed = client.renew(tokens)
    assert client.as_(renewed).get("/auth/me").json["email"] == ADA

    assert client.as_(renewed).post("/auth/logout").status_code == 204

    assert told(client.as_(renewed).get("/auth/me")) == (401, "token_revoked")
    assert told(client.refresh(renewed)) == (401, "session_ended")


def told(answer):
    return answer.status_code, answer.json["code"]


def shows_no_token(client, answer):
    """Tell whether a browser's answer keeps the tokens to the cookies; a program gets them."""
    shown = {"access_token", "refresh_token", "device_token"} & answer.json.keys()
    return not shown if client.by else len(shown) == 3


def test_with_a_second_factor(either_client, ada):
    client = either_client
    client.log_in(ada)
    client.enrol_totp(ada)

    question = client.log_in(ada)
    assert question.keys() == {"status", "expires_in", "mfa_token", "factors"}
    assert not getattr(question, "cookies", None)

    goes_on_and_ends(client, client.second_step(ada, question))


def test_by_a_code_that_was_mailed(either_client, ada):
    client = either_client
    asked = client.post("/auth/login/link", {"email": ADA}).json

    form = {"login_token": asked["login_token"], "code": letter(client, ADA)["code"], **client.by}
    answer = client.post("/auth/login/link/verify", form)

    assert shows_no_token(client, answer)
    goes_on_and_ends(client, client.held(answer))


def test_with_a_passkey(either_client, ada):
    client, authenticator = either_client, Authenticator()
    mine = client.as_(client.log_in(ada))
    asked = mine.post("/auth/passkeys/registration/options").json
    form = {"credential": authenticator.create(asked["public_key"])}
    assert mine.post("/auth/passkeys/registration/verify", form).status_code == 201

    asked = client.post("/auth/passkeys/authentication/options").json
    form = {"login_token": asked["login_token"], **client.by}
    form["credential"] = authenticator.get(asked["public_key"])
    answer = client.post("/auth/passkeys/authentication/verify", form)

    assert shows_no_token(client, answer)
    goes_on_and_ends(client, client.held(answer))


def test_by_proving_anew_who_one_is(either_client, ada, wait):
    client = either_client
    client.log_in(ada)
    wait(minutes=9)
    client.enrol_totp(ada)
    wait(minutes=2)
    tokens = client.renew(client.second_step(ada, client.log_in(ada)))
    wait(minutes=9)
    tokens = client.renew(tokens)
    wait(minutes=2)

    mine = client.as_(tokens)
    stale = mine.post("/auth/mfa/factors", {"kind": "totp"})
    assert told(stale) == (401, "insufficient_user_authentication")
    answer = mine.post("/auth/reauthenticate", {"code": ada.totp()})
    fresh = mine.held(answer)

    assert client.as_(fresh).post("/auth/mfa/factors", {"kind": "totp"}).status_code == 201
    goes_on_and_ends(client, fresh)


def test_after_a_forgotten_password(either_client, ada):
    client = either_client
    before = client.log_in(ada)
    client.post("/auth/password/forgot", {"email": ADA})

    form = {"email": ADA, "code": letter(client, ADA)["code"], "password": NEW}
    assert client.post("/auth/password/reset", form).status_code == 204

    assert told(client.as_(before).get("/auth/me")) == (401, "token_revoked")
    assert client.post("/auth/login", {"identifier": ADA, "password": PASSWORD}).status_code == 401
    ada.password = NEW
    goes_on_and_ends(client, client.log_in(ada))
