"""After a failure and after a set-up, `next` says what a user of this kind of factor does."""

import pytest

from tests.account.conftest import read_messages


def second_step(client, challenge, factor, code):
    form = {"mfa_token": challenge["mfa_token"], "factor": factor, "code": code}
    return client.post("/auth/login/mfa", form)


@pytest.mark.requirement("MF-02")
def test_totp_that_is_wrong_or_used_gets_the_same_advice_to_wait_for_the_next_code(
    client, make_user
):
    user = make_user(factors=["totp"])
    first, second = client.log_in(user), client.log_in(user)
    used = user.totp()

    assert second_step(client, first, "totp", used).status_code == 200
    failures = [second_step(client, second, "totp", code) for code in (used, user.totp(steps=50))]

    bodies = [response.json | {"request_id": ""} for response in failures]
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "invalid_code"
    assert bodies[0]["next"].startswith("Wait for the next code of your app")


def test_factor_that_fails_says_what_its_users_can_do(client, make_user):
    user = make_user(factors=["totp"])
    challenge = client.log_in(user)
    over = second_step(client, {"mfa_token": "A" * 43}, "totp", user.totp())
    stepped_up = client.as_(client.complete_mfa(user, client.log_in(user)))
    recovery = second_step(client, challenge, "recovery_codes", "aaaa-aaaa-aaaa-aaaa")
    reauthenticated = stepped_up.post("/auth/reauthenticate", {"code": "000000"})

    assert over.json["next"] == "Sign in again."
    assert "another one of your recovery codes" in recovery.json["next"]
    assert reauthenticated.json["next"].startswith("Wait for the next code of your app")


def test_factor_that_is_confirmed_says_what_a_further_one_needs(client, make_user):
    user = make_user()
    tokens = client.log_in(user)
    mine = client.as_(tokens)
    enrolled = mine.post("/auth/mfa/factors", {"kind": "totp"}).json
    user.secret = enrolled["secret"]
    path = f"/auth/mfa/factors/{enrolled['id']}/confirm"

    rejected = mine.post(path, {"code": "000000"})
    confirmed = mine.post(path, {"code": user.totp()})
    too_early = mine.post("/auth/mfa/factors", {"kind": "totp"})
    refreshed = client.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]}).json
    further = client.as_(refreshed).post("/auth/mfa/factors", {"kind": "totp"})

    assert rejected.json["next"].startswith("Wait for the next code of your app")
    assert "refresh the tokens" in confirmed.json["next"]
    assert (too_early.status_code, further.status_code) == (401, 201)


def test_link_that_was_used_says_that_one_can_sign_in(client):
    client.register("ada@example.com")
    code = read_messages(client, "ada@example.com", "verify_email")[0]["code"]

    responses = [client.verify_code("ada@example.com", code) for _ in range(2)]

    assert [response.status_code for response in responses] == [200, 401]
    assert responses[1].json["next"].startswith("If you have confirmed already, sign in.")
