"""When a CAPTCHA is required, and that each answer is accepted once."""

import base64
import json
from functools import partial

import pytest
from altcha import Challenge, Payload, solve_challenge

from gatehouse.captcha import service as captcha_service
from gatehouse.operations import cleanup
from gatehouse.web.request_context import RequestContext
from models import FailedAttemptCounter, UsedCaptchaAnswer
from tests.client import PASSWORD
from tests.login_attempts import ADA, ELSEWHERE, HERE, WRONG
from tests.mail_links import advance_clock
from tests.rows import audited, rows

pytestmark = pytest.mark.requirement("RL-08")
REQUIRED = (403, "captcha_required")
LOGIN, REGISTER = "/auth/login", "/auth/register"
after_failures = pytest.mark.settings(
    GATEHOUSE_CAPTCHA_REGISTER="after_failures",
    GATEHOUSE_CAPTCHA_PASSWORD_RESET="after_failures",
    GATEHOUSE_CAPTCHA_LOGIN="after_failures",
    GATEHOUSE_CAPTCHA_COST="5",
)
always = pytest.mark.settings(
    GATEHOUSE_CAPTCHA_REGISTER="always",
    GATEHOUSE_CAPTCHA_LOGIN="always",
    GATEHOUSE_CAPTCHA_COST="5",
)


def status_and_code(response):
    """Return the status and the error code of a response."""
    problem = response.json if response.status_code >= 400 else {}
    return response.status_code, problem.get("code")


def solve_captcha(client, action="login"):
    """Get a challenge and return its answer."""
    challenge = Challenge.from_dict(client.get(f"/auth/captcha?action={action}").json)
    return Payload(challenge, solve_challenge(challenge)).to_base64()


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


# Challenges


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


# After failures: login


@after_failures
@pytest.mark.stores
@pytest.mark.parametrize("identifier", [ADA, "unknown@example.com"])
def test_network_needs_a_captcha_for_an_account_after_three_failures(
    client, ada, attempt_login, identifier
):
    responses = [attempt_login(identifier=identifier) for _ in range(4)]
    right = attempt_login(identifier, PASSWORD)
    with_captcha = attempt_login(identifier=identifier, captcha=solve_captcha(client))

    assert [response.status_code for response in responses] == [401] * 3 + [403]
    assert status_and_code(right) == REQUIRED
    assert with_captcha.status_code == 401


@after_failures
def test_networks_of_one_ipv6_prefix_need_a_captcha_together(ada, attempt_login):
    responses = [attempt_login(ip_address=f"2001:db8:0:{number:x}::1") for number in range(13)]

    assert [response.status_code for response in responses] == [401] * 12 + [403]
    assert attempt_login(ip_address="2001:db8:0:100::1").status_code == 401


@after_failures
def test_known_and_unknown_accounts_get_the_same_error(ada, attempt_login):
    responses = {}
    for identifier in (ADA, "unknown@example.com"):
        responses[identifier] = [attempt_login(identifier=identifier) for _ in range(4)][-1]

    bodies = [{**response.json, "request_id": ""} for response in responses.values()]
    assert bodies[0] == bodies[1]
    assert status_and_code(responses[ADA]) == REQUIRED


@after_failures
def test_other_networks_other_accounts_and_known_devices_need_no_captcha(
    client, ada, attempt_login
):
    device = client.log_in(ada)["device_token"]
    for _ in range(4):
        attempt_login()

    assert attempt_login(ADA, PASSWORD, device=device).status_code == 200
    assert attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE).status_code == 200
    assert attempt_login(identifier="bob@example.com").status_code == 401
    assert status_and_code(attempt_login(ADA, PASSWORD)) == REQUIRED


@after_failures
def test_captcha_is_no_longer_required_after_a_successful_login(client, ada, attempt_login):
    for _ in range(3):
        attempt_login()

    assert attempt_login(ADA, PASSWORD, captcha=solve_captcha(client)).status_code == 200
    assert attempt_login(ADA, PASSWORD).status_code == 200


@after_failures
def test_captcha_is_not_required_of_a_blocked_login_and_does_not_unblock_it(
    app, client, ada, attempt_login
):
    for _ in range(3):
        attempt_login()
    for _ in range(2):
        attempt_login(captcha=solve_captcha(client))
    captcha = solve_captcha(client)

    locked = [attempt_login(ADA, PASSWORD), attempt_login(ADA, PASSWORD, captcha=captcha)]

    assert [status_and_code(response) for response in locked] == [(429, "too_many_attempts")] * 2
    assert len(rows(app, UsedCaptchaAnswer)) == 2  # the last answer is still unused
    with advance_clock(seconds=31):
        assert attempt_login(ADA, PASSWORD, captcha=captcha).status_code == 200


@after_failures
@pytest.mark.stores
def test_network_needs_a_captcha_for_every_account_after_failures_for_fifty(
    client, ada, attempt_login, wait
):
    """Too slowly to activate the credential-stuffing alarm."""
    wrong = []
    for number in range(50):
        if number in (17, 34):
            wait(minutes=16)
        wrong.append(attempt_login(f"u{number}@example.com", f"{WRONG} {number}").status_code)
    neighbour = "192.0.2.200"

    assert wrong == [401] * 50
    assert status_and_code(attempt_login(ADA, PASSWORD, ip_address=neighbour)) == REQUIRED
    assert (
        attempt_login(
            ADA, PASSWORD, ip_address=neighbour, captcha=solve_captcha(client)
        ).status_code
        == 200
    )
    assert attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE).status_code == 200
    with advance_clock(minutes=61):
        assert attempt_login(ADA, PASSWORD, ip_address=neighbour).status_code == 200


@after_failures
@pytest.mark.stores
def test_credential_stuffing_alarm_requires_a_captcha_of_unknown_devices_of_the_network(
    client, ada, attempt_login, wait
):
    """For known and unknown accounts; not of known devices or from other networks."""
    device = client.log_in(ada)["device_token"]
    for number in range(45):
        attempt_login(f"u{number}@example.com", f"leaked password {number}")

    responses = [
        attempt_login(ADA, PASSWORD),
        attempt_login(),
        attempt_login(identifier="new@example.com"),
    ]

    assert [status_and_code(response) for response in responses] == [REQUIRED] * 3
    assert len({response.json["detail"] for response in responses}) == 1
    assert attempt_login(ADA, PASSWORD, device=device).status_code == 200
    assert attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE).status_code == 200
    assert attempt_login(ADA, PASSWORD, captcha=solve_captcha(client)).status_code == 200
    wait(minutes=62)
    assert attempt_login(ADA, PASSWORD).status_code == 200


@after_failures
def test_credential_stuffing_alarm_for_all_requires_a_captcha_of_every_network(
    client, ada, attempt_login
):
    device = client.log_in(ada)["device_token"]
    for number in range(45):
        attempt_login(f"u{number}@example.com", "Winter 2026 is coming", f"10.{number}.0.1")

    assert status_and_code(attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE)) == REQUIRED
    assert attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE, device=device).status_code == 200
    assert (
        attempt_login(
            ADA, PASSWORD, ip_address=ELSEWHERE, captcha=solve_captcha(client)
        ).status_code
        == 200
    )


@pytest.mark.settings(GATEHOUSE_CAPTCHA_LOGIN="off")
def test_credential_stuffing_alarm_requires_no_captcha_if_the_policy_is_off(ada, attempt_login):
    for number in range(45):
        attempt_login(f"u{number}@example.com", f"leaked password {number}")

    assert attempt_login(ADA, PASSWORD).status_code == 200


@after_failures
def test_network_of_successful_logins_never_needs_a_captcha(ada, attempt_login, monkeypatch):
    monkeypatch.setattr(captcha_service, "ACCOUNTS_THRESHOLD", 5)
    statuses = [attempt_login(ADA, PASSWORD).status_code for _ in range(8)]
    failures_of_one = [attempt_login(identifier="bob@example.com").status_code for _ in range(8)]

    assert statuses == [200] * 8
    assert failures_of_one == [401] * 3 + [403] * 5
    assert attempt_login(ADA, PASSWORD).status_code == 200


@after_failures
@pytest.mark.stores
def test_login_is_counted_even_if_its_request_fails(app, client, monkeypatch, attempt_login):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(captcha_service, "ACCOUNTS_THRESHOLD", 5)
    with monkeypatch.context() as broken:
        broken.setattr("gatehouse.users.password_check.evaluate_password", fail)
        failed = [attempt_login(identifier=f"u{n}@example.com").status_code for n in range(5)]

    assert set(failed) == {500}
    assert status_and_code(attempt_login(identifier="other@example.com")) == REQUIRED


# After failures: registration and password reset


@after_failures
@pytest.mark.stores
def test_registration_needs_a_captcha_after_ten_of_the_network(client):
    def register(number, ip_address=HERE, **fields):
        form = {"email": f"u{number}@example.com", "password": PASSWORD, **fields}
        return client.post(REGISTER, form, environ_overrides={"REMOTE_ADDR": ip_address})

    few = [register(number).status_code for number in range(10)]

    assert few == [202] * 10
    assert status_and_code(register(10)) == REQUIRED
    assert register(10, captcha=solve_captcha(client, "register")).status_code == 202
    assert register(11, ip_address=ELSEWHERE).status_code == 202
    with advance_clock(minutes=61):
        assert register(12).status_code == 202


@after_failures
def test_password_reset_is_counted_separately_from_registration(app):
    context = RequestContext(HERE, "", "")
    with app.app_context():
        check_reset = partial(captcha_service.check_request, "forgot", None, context)
        for _ in range(10):
            check_reset()

        with pytest.raises(captcha_service.CaptchaRequired):
            check_reset()
        captcha_service.check_request("register", None, context)


# Unavailable providers


@pytest.fixture
def provider(httpserver):
    """A provider that is unavailable until a test configures its response."""
    httpserver.expect_request("/siteverify").respond_with_data("", 500)
    return httpserver


@pytest.fixture
def settings_environment(request, settings_environment):
    """Configure the provider for tests that use one."""
    if "provider" not in request.fixturenames:
        return settings_environment
    server = request.getfixturevalue("provider")
    return settings_environment | {
        "GATEHOUSE_CAPTCHA": "hcaptcha",
        "GATEHOUSE_CAPTCHA_SITE_KEY": "k",
        "GATEHOUSE_CAPTCHA_SECRET": "s",
        "GATEHOUSE_CAPTCHA_VERIFY_URL": server.url_for("/siteverify"),
        "GATEHOUSE_EGRESS_ALLOWLIST": f"localhost:{server.port}",
    }


@always
def test_policy_always_rejects_requests_while_the_provider_is_unavailable(
    provider, app, attempt_login
):
    responses = [
        attempt_login(ADA, PASSWORD, captcha="a token"),
        attempt_login(captcha="a token"),
    ]

    assert [status_and_code(response) for response in responses] == [
        (503, "service_unavailable")
    ] * 2
    assert rows(app, FailedAttemptCounter) == []
    assert audited(app, "login.failed") == []


@after_failures
def test_policy_after_failures_accepts_requests_while_the_provider_is_unavailable(
    provider, attempt_login
):
    for _ in range(3):
        attempt_login()

    blocked = [status_and_code(attempt_login(captcha="a token")) for _ in range(3)]
    other = status_and_code(attempt_login(identifier="bob@example.com"))

    assert blocked == [(401, "invalid_credentials")] * 2 + [(429, "too_many_attempts")]
    assert other == (401, "invalid_credentials")


@after_failures
def test_captcha_is_required_again_when_the_provider_is_available_again(provider, attempt_login):
    for _ in range(3):
        attempt_login()
    provider.clear()
    success = {"success": True, "hostname": "localhost"}
    provider.expect_request("/siteverify").respond_with_data(json.dumps(success))

    assert status_and_code(attempt_login()) == REQUIRED
    assert attempt_login(captcha="a token").status_code == 401
    assert status_and_code(attempt_login(captcha="a token")) == REQUIRED  # it is used
