"""The first five minutes: from nothing to a session, and out again."""

import pytest

from tests.client import PASSWORD, User


@pytest.mark.stores
def test_a_person_registers_logs_in_refreshes_and_logs_out(either_client):
    client = either_client
    assert client.register("ada@example.com").json == {"status": "verification_required"}
    assert client.verify("ada@example.com").json == {"status": "verified"}

    tokens = client.log_in(User("ada@example.com", PASSWORD))
    assert client.as_(tokens).get("/auth/me").json["email"] == "ada@example.com"

    renewed = client.renew(tokens)
    assert renewed["status"] == "authenticated"
    sessions = client.as_(renewed).get("/auth/sessions").json["items"]
    assert [session["current"] for session in sessions] == [True]

    assert client.as_(renewed).post("/auth/logout").status_code == 204
    for dead in (tokens, renewed):
        refusal = client.as_(dead).get("/auth/me")
        assert (refusal.status_code, refusal.json["code"]) == (401, "token_revoked")


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_a_refresh_token_dies_with_its_session(either_client, make_user):
    tokens = either_client.log_in(make_user())
    either_client.as_(tokens).post("/auth/logout")

    refusal = either_client.refresh(tokens)

    assert (refusal.status_code, refusal.json["code"]) == (401, "session_ended")


@pytest.mark.stores
def test_an_unproven_registration_opens_nothing(client):
    client.register("ada@example.com")

    refusal = client.post("/auth/login", {"identifier": "ada@example.com", "password": PASSWORD})

    assert (refusal.status_code, refusal.json["code"]) == (401, "invalid_credentials")


@pytest.mark.stores
def test_a_session_outlives_the_sudden_death_of_the_server(live, either_live_client):
    client = either_live_client
    tokens = client.log_in(client.sign_up(User("ada@example.com")))

    live.kill()
    live.start()

    assert client.as_(tokens).get("/auth/me").json["email"] == "ada@example.com"
    assert client.refresh(tokens).status_code == 200


@pytest.mark.cold_start
def test_the_server_ends_when_it_is_told_to(live):
    live.stop()

    assert live.process.returncode == 0
