"""Journey of a new user: register, log in, refresh, log out."""

import pytest

from tests.client import PASSWORD, User


@pytest.mark.stores
def test_user_registers_logs_in_refreshes_and_logs_out(either_client):
    client = either_client
    assert client.register("ada@example.com").json["status"] == "verification_required"
    assert client.verify("ada@example.com").json == {"status": "verified"}

    tokens = client.log_in(User("ada@example.com", PASSWORD))
    assert client.as_(tokens).get("/auth/me").json["email"] == "ada@example.com"

    renewed = client.renew(tokens)
    assert renewed["status"] == "authenticated"
    sessions = client.as_(renewed).get("/auth/sessions").json["items"]
    assert [session["current"] for session in sessions] == [True]

    assert client.as_(renewed).post("/auth/logout").status_code == 204
    for ended in (tokens, renewed):
        response = client.as_(ended).get("/auth/me")
        assert (response.status_code, response.json["code"]) == (401, "token_revoked")


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_refresh_token_is_rejected_after_logout(either_client, make_user):
    tokens = either_client.log_in(make_user())
    either_client.as_(tokens).post("/auth/logout")

    response = either_client.refresh(tokens)

    assert (response.status_code, response.json["code"]) == (401, "session_ended")


@pytest.mark.stores
def test_login_before_email_verification_is_rejected(client):
    client.register("ada@example.com")

    response = client.post("/auth/login", {"identifier": "ada@example.com", "password": PASSWORD})

    assert (response.status_code, response.json["code"]) == (401, "invalid_credentials")


@pytest.mark.stores
def test_session_survives_a_server_kill(live, either_live_client):
    client = either_live_client
    tokens = client.log_in(client.sign_up(User("ada@example.com")))

    live.kill()
    live.start()

    assert client.as_(tokens).get("/auth/me").json["email"] == "ada@example.com"
    assert client.refresh(tokens).status_code == 200


@pytest.mark.cold_start
def test_server_stops_on_sigterm(live):
    live.stop()

    assert live.process.returncode == 0
