"""Challenges, and that each answer is accepted once."""

import base64
import json

import pytest

from gatehouse.operations import cleanup
from models import FailedAttemptCounter, UsedCaptchaAnswer
from tests.captcha.conftest import (
    LOGIN,
    REGISTER,
    REQUIRED,
    always,
    solve_captcha,
    status_and_code,
)
from tests.client import PASSWORD
from tests.login_attempts import ADA, WRONG
from tests.mail_links import advance_clock
from tests.rows import rows

pytestmark = pytest.mark.requirement("RL-08")


def test_challenge_is_fresh_each_time_and_not_cached(client):
    first, second = (client.get("/auth/captcha?action=login") for _ in range(2))

    assert first.json["parameters"]["nonce"] != second.json["parameters"]["nonce"]
    assert first.json.keys() == {"parameters", "signature"}
    assert first.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("query", ["?action=", "?action=logout", "?action=login&more=1"])
def test_challenge_requires_a_known_action(client, query):
    response = client.get(f"/auth/captcha{query}")

    assert status_and_code(response) == (422, "validation_failed")


@pytest.mark.settings(
    GATEHOUSE_CAPTCHA="turnstile", GATEHOUSE_CAPTCHA_SITE_KEY="k", GATEHOUSE_CAPTCHA_SECRET="s"
)
def test_challenge_of_an_external_provider_has_the_parameters_of_its_widget(client):
    response = client.get("/auth/captcha?action=login")

    assert response.json == {"provider": "turnstile", "site_key": "k", "action": "login"}


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_challenges_are_rate_limited(client):
    statuses = [client.get("/auth/captcha?action=login").status_code for _ in range(61)]

    assert statuses == [200] * 60 + [429]


# Policies: always and off


@always
@pytest.mark.stores
def test_answer_is_accepted_for_one_request(client, attempt_login):
    captcha = solve_captcha(client, "register")
    form = {"email": ADA, "password": PASSWORD}

    responses = [
        client.post(REGISTER, form),
        client.post(REGISTER, form | {"captcha": ""}),
        client.post(REGISTER, form | {"captcha": captcha}),
        client.post(REGISTER, form | {"captcha": captcha}),
    ]

    assert [status_and_code(response) for response in responses] == [
        REQUIRED,
        REQUIRED,
        (202, None),
        REQUIRED,
    ]
    assert "GET /auth/captcha?action=register" in responses[0].json["next"]
    assert responses[0].json["detail"] != responses[3].json["detail"]


@always
@pytest.mark.stores
def test_answer_is_accepted_for_one_of_twenty_parallel_requests(client):
    form = {"identifier": ADA, "password": WRONG, "captcha": solve_captcha(client)}

    responses = client.in_parallel(20, LOGIN, form)

    assert sorted(response.status_code for response in responses) == [401] + [403] * 19


@always
def test_answer_for_another_action_is_rejected(client, attempt_login):
    assert status_and_code(attempt_login(captcha=solve_captcha(client, "register"))) == REQUIRED


@always
def test_used_answer_is_rejected_in_another_encoding(client, attempt_login):
    captcha = solve_captcha(client)
    payload = json.loads(base64.b64decode(captcha)) | {"more": 1}
    again = base64.b64encode(json.dumps(payload).encode()).decode()

    assert attempt_login(captcha=captcha).status_code == 401
    assert status_and_code(attempt_login(captcha=again)) == REQUIRED


@always
@pytest.mark.usefixtures("ada_without_captcha")
def test_login_without_a_captcha_is_not_counted_as_an_attempt(app, attempt_login):
    for captcha in ("", "x", "e30="):
        for password in (PASSWORD, WRONG):
            assert status_and_code(attempt_login(ADA, password, captcha=captcha)) == REQUIRED

    assert [counter for counter in rows(app, FailedAttemptCounter) if counter.failures] == []


@pytest.fixture
def ada_without_captcha(client):
    client.register(ADA, captcha=solve_captcha(client, "register"))
    client.verify(ADA)


@always
def test_used_answers_are_purged_after_they_expire(app, client, attempt_login):
    attempt_login(captcha=solve_captcha(client))
    with app.app_context():
        cleanup.run_cleanup()
    before = rows(app, UsedCaptchaAnswer)

    with advance_clock(minutes=75), app.app_context():
        cleanup.run_cleanup()

    assert (len(before), rows(app, UsedCaptchaAnswer)) == (1, [])


def test_development_requires_no_captcha(app, client, attempt_login):
    statuses = [
        attempt_login(identifier=f"u{n}@example.com", captcha="x").status_code for n in range(12)
    ]
    registered = [client.register(f"u{n}@example.com").status_code for n in range(12)]

    assert set(statuses) == {401}
    assert set(registered) == {202}
    assert rows(app, UsedCaptchaAnswer) == []


@pytest.mark.settings(GATEHOUSE_ENV="production", GATEHOUSE_BCRYPT_COST=None)
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
@pytest.mark.settings(GATEHOUSE_PASSWORD_HASHER="argon2")
def test_production_requires_a_captcha_after_failures(client, attempt_login):
    logins = [status_and_code(attempt_login()) for _ in range(4)]
    registered = [client.register(f"u{n}@example.com").status_code for n in range(11)]

    assert logins == [(401, "invalid_credentials")] * 3 + [REQUIRED]
    assert registered == [202] * 10 + [403]
