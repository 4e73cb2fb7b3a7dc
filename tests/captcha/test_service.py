"""When a CAPTCHA is asked for, and what one is good for, as people and robots see it."""

import base64
import json
from functools import partial

import pytest
from altcha import Challenge, Payload, solve_challenge

from gatehouse.captcha import service as robots
from gatehouse.operations import cleanup
from gatehouse.web.request_context import Visitor
from models import GuessCounter, Spent
from tests.client import PASSWORD
from tests.letters import later
from tests.password_guessing import ADA, ELSEWHERE, HERE, WRONG
from tests.rows import audited, rows

pytestmark = pytest.mark.requirement("RL-08")
REQUIRED = (403, "captcha_required")
LOGIN, REGISTER = "/auth/login", "/auth/register"
watchful = pytest.mark.settings(
    GATEHOUSE_CAPTCHA_REGISTER="after_failures",
    GATEHOUSE_CAPTCHA_FORGOT="after_failures",
    GATEHOUSE_CAPTCHA_LOGIN="after_failures",
    GATEHOUSE_CAPTCHA_COST="5",
)
strict = pytest.mark.settings(
    GATEHOUSE_CAPTCHA_REGISTER="always",
    GATEHOUSE_CAPTCHA_LOGIN="always",
    GATEHOUSE_CAPTCHA_COST="5",
)


def verdict(answer):
    """Return the status, and the code of a refusal."""
    problem = answer.json if answer.status_code >= 400 else {}
    return answer.status_code, problem.get("code")


def solved(client, action="login"):
    """Return the answer to a fresh challenge."""
    challenge = Challenge.from_dict(client.get(f"/auth/captcha?action={action}").json)
    return Payload(challenge, solve_challenge(challenge)).to_base64()


@pytest.fixture
def knock(client):
    """Try to log in: knock(password, "bob@example.com", address=..., captcha=..., device=...)."""

    def knock(password=WRONG, identifier=ADA, address=HERE, device="", **more):
        form = {"identifier": identifier, "password": password, **more}
        headers = {"X-Device-Token": device} if device else {}
        sender = {"REMOTE_ADDR": address}
        return client.post(LOGIN, form, headers=headers, environ_overrides=sender)

    return knock


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


# What is handed out


def test_a_challenge_is_fresh_each_time_and_kept_by_nobody(client):
    first, second = (client.get("/auth/captcha?action=login") for _ in range(2))

    assert first.json["parameters"]["nonce"] != second.json["parameters"]["nonce"]
    assert first.json.keys() == {"parameters", "signature"}
    assert first.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("query", ["?action=", "?action=logout", "?action=login&more=1"])
def test_a_challenge_is_for_one_of_the_known_actions(client, query):
    answer = client.get(f"/auth/captcha{query}")

    assert verdict(answer) == (422, "validation_failed")


@pytest.mark.settings(
    GATEHOUSE_CAPTCHA="turnstile", GATEHOUSE_CAPTCHA_SITE_KEY="k", GATEHOUSE_CAPTCHA_SECRET="s"
)
def test_of_another_provider_only_what_its_widget_needs_is_told(client):
    answer = client.get("/auth/captcha?action=login")

    assert answer.json == {"provider": "turnstile", "site_key": "k", "action": "login"}


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_challenges_are_limited(client):
    statuses = [client.get("/auth/captcha?action=login").status_code for _ in range(61)]

    assert statuses == [200] * 60 + [429]


# Always, and never


@strict
@pytest.mark.stores
def test_a_solved_captcha_lets_one_request_pass(client, knock):
    captcha = solved(client, "register")
    form = {"email": ADA, "password": PASSWORD}

    answers = [
        client.post(REGISTER, form),
        client.post(REGISTER, form | {"captcha": ""}),
        client.post(REGISTER, form | {"captcha": captcha}),
        client.post(REGISTER, form | {"captcha": captcha}),
    ]

    assert [verdict(answer) for answer in answers] == [REQUIRED, REQUIRED, (202, None), REQUIRED]
    assert "GET /auth/captcha?action=register" in answers[0].json["next"]
    assert answers[0].json["detail"] != answers[3].json["detail"]


@strict
@pytest.mark.stores
def test_of_twenty_requests_with_one_answer_one_is_let_in(client):
    form = {"identifier": ADA, "password": WRONG, "captcha": solved(client)}

    answers = client.in_parallel(20, LOGIN, form)

    assert sorted(answer.status_code for answer in answers) == [401] + [403] * 19


@strict
def test_an_answer_that_was_made_for_another_action_is_wrong(client, knock):
    assert verdict(knock(captcha=solved(client, "register"))) == REQUIRED


@strict
def test_an_answer_that_was_used_is_used_however_it_is_written(client, knock):
    captcha = solved(client)
    payload = json.loads(base64.b64decode(captcha)) | {"more": 1}
    again = base64.b64encode(json.dumps(payload).encode()).decode()

    assert knock(captcha=captcha).status_code == 401
    assert verdict(knock(captcha=again)) == REQUIRED


@strict
@pytest.mark.usefixtures("ada_without_captcha")
def test_nothing_is_counted_as_a_guess_without_a_captcha(app, knock):
    for captcha in ("", "x", "e30="):
        for password in (PASSWORD, WRONG):
            assert verdict(knock(password, captcha=captcha)) == REQUIRED

    assert [counter for counter in rows(app, GuessCounter) if counter.failures] == []


@pytest.fixture
def ada_without_captcha(client):
    client.register(ADA, captcha=solved(client, "register"))
    client.verify(ADA)


@strict
def test_used_answers_are_forgotten_once_they_have_expired(app, client, knock):
    knock(captcha=solved(client))
    with app.app_context():
        cleanup.purge()
    before = rows(app, Spent)

    with later(minutes=75), app.app_context():
        cleanup.purge()

    assert (len(before), rows(app, Spent)) == (1, [])


def test_development_asks_for_none(app, client, knock):
    statuses = [knock(identifier=f"u{n}@example.com", captcha="x").status_code for n in range(12)]
    registered = [client.register(f"u{n}@example.com").status_code for n in range(12)]

    assert set(statuses) == {401}
    assert set(registered) == {202}
    assert rows(app, Spent) == []


@pytest.mark.settings(GATEHOUSE_ENV="production", GATEHOUSE_BCRYPT_COST=None)
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
@pytest.mark.settings(GATEHOUSE_PASSWORD_HASHER="argon2")
def test_production_asks_after_failures(client, knock):
    logins = [verdict(knock()) for _ in range(4)]
    registered = [client.register(f"u{n}@example.com").status_code for n in range(11)]

    assert logins == [(401, "invalid_credentials")] * 3 + [REQUIRED]
    assert registered == [202] * 10 + [403]


# After failures: login


@watchful
@pytest.mark.stores
@pytest.mark.parametrize("identifier", [ADA, "nobody@example.com"])
def test_after_three_wrong_passwords_a_network_is_asked_at_this_account(
    client, ada, knock, identifier
):
    answers = [knock(identifier=identifier) for _ in range(4)]
    right = knock(PASSWORD, identifier)
    with_captcha = knock(identifier=identifier, captcha=solved(client))

    assert [answer.status_code for answer in answers] == [401] * 3 + [403]
    assert verdict(right) == REQUIRED
    assert with_captcha.status_code == 401


@watchful
def test_the_networks_of_one_ipv6_site_are_asked_together(ada, knock):
    answers = [knock(address=f"2001:db8:0:{number:x}::1") for number in range(13)]

    assert [answer.status_code for answer in answers] == [401] * 12 + [403]
    assert knock(address="2001:db8:0:100::1").status_code == 401


@watchful
def test_known_and_unknown_accounts_are_asked_in_the_same_words(ada, knock):
    answers = {}
    for identifier in (ADA, "nobody@example.com"):
        answers[identifier] = [knock(identifier=identifier) for _ in range(4)][-1]

    bodies = [{**answer.json, "request_id": ""} for answer in answers.values()]
    assert bodies[0] == bodies[1]
    assert verdict(answers[ADA]) == REQUIRED


@watchful
def test_neither_another_network_nor_another_account_nor_a_known_device_is_asked(
    client, ada, knock
):
    device = client.log_in(ada)["device_token"]
    for _ in range(4):
        knock()

    assert knock(PASSWORD, device=device).status_code == 200
    assert knock(PASSWORD, address=ELSEWHERE).status_code == 200
    assert knock(identifier="bob@example.com").status_code == 401
    assert verdict(knock(PASSWORD)) == REQUIRED


@watchful
def test_whoever_solves_it_and_knows_the_password_is_asked_no_more(client, ada, knock):
    for _ in range(3):
        knock()

    assert knock(PASSWORD, captcha=solved(client)).status_code == 200
    assert knock(PASSWORD).status_code == 200


@watchful
def test_a_captcha_opens_no_lock_and_is_not_asked_for_behind_one(app, client, ada, knock):
    for _ in range(3):
        knock()
    for _ in range(2):
        knock(captcha=solved(client))
    captcha = solved(client)

    locked = [knock(PASSWORD), knock(PASSWORD, captcha=captcha)]

    assert [verdict(answer) for answer in locked] == [(429, "too_many_attempts")] * 2
    assert len(rows(app, Spent)) == 2  # the last one is still good
    with later(seconds=31):
        assert knock(PASSWORD, captcha=captcha).status_code == 200


@watchful
@pytest.mark.stores
def test_after_wrong_passwords_for_fifty_accounts_a_network_is_asked_at_all(
    client, ada, knock, wait
):
    """So slowly that the guard is not raised."""
    wrong = []
    for number in range(50):
        if number in (17, 34):
            wait(minutes=16)
        wrong.append(knock(f"{WRONG} {number}", f"u{number}@example.com").status_code)
    neighbour = "192.0.2.200"

    assert wrong == [401] * 50
    assert verdict(knock(PASSWORD, address=neighbour)) == REQUIRED
    assert knock(PASSWORD, address=neighbour, captcha=solved(client)).status_code == 200
    assert knock(PASSWORD, address=ELSEWHERE).status_code == 200
    with later(minutes=61):
        assert knock(PASSWORD, address=neighbour).status_code == 200


@watchful
@pytest.mark.stores
def test_while_the_guard_is_raised_for_a_network_strangers_in_it_are_asked_at_once(
    client, ada, knock, wait
):
    """Of accounts that exist and of those that do not; never known devices, or elsewhere."""
    device = client.log_in(ada)["device_token"]
    for number in range(45):  # guessing one by one, until the guard is up
        knock(f"leaked password {number}", f"u{number}@example.com")

    asked = [knock(PASSWORD), knock(), knock(identifier="new@example.com")]

    assert [verdict(answer) for answer in asked] == [REQUIRED] * 3
    assert len({answer.json["detail"] for answer in asked}) == 1
    assert knock(PASSWORD, device=device).status_code == 200
    assert knock(PASSWORD, address=ELSEWHERE).status_code == 200
    assert knock(PASSWORD, captcha=solved(client)).status_code == 200
    wait(minutes=62)
    assert knock(PASSWORD).status_code == 200


@watchful
def test_one_password_on_many_accounts_has_strangers_asked_everywhere(client, ada, knock):
    device = client.log_in(ada)["device_token"]
    for number in range(45):
        knock("Winter 2026 is coming", f"u{number}@example.com", f"10.{number}.0.1")

    assert verdict(knock(PASSWORD, address=ELSEWHERE)) == REQUIRED
    assert knock(PASSWORD, address=ELSEWHERE, device=device).status_code == 200
    assert knock(PASSWORD, address=ELSEWHERE, captcha=solved(client)).status_code == 200


@pytest.mark.settings(GATEHOUSE_CAPTCHA_LOGIN="off")
def test_where_no_captcha_is_chosen_a_raised_guard_asks_nobody(ada, knock):
    for number in range(45):
        knock(f"leaked password {number}", f"u{number}@example.com")

    assert knock(PASSWORD).status_code == 200


@watchful
def test_an_office_of_people_who_know_their_passwords_is_never_asked(ada, knock, monkeypatch):
    monkeypatch.setattr(robots, "ACCOUNTS", 5)
    statuses = [knock(PASSWORD).status_code for _ in range(8)]
    one_mate = [knock(identifier="mate@example.com").status_code for _ in range(8)]

    assert statuses == [200] * 8
    assert one_mate == [401] * 3 + [403] * 5
    assert knock(PASSWORD).status_code == 200


@watchful
@pytest.mark.stores
def test_a_login_is_counted_though_the_request_fails(app, client, monkeypatch, knock):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(robots, "ACCOUNTS", 5)
    with monkeypatch.context() as broken:
        broken.setattr("gatehouse.users.password_check.verify", fail)
        failed = [knock(identifier=f"u{n}@example.com").status_code for n in range(5)]

    assert set(failed) == {500}
    assert verdict(knock(identifier="other@example.com")) == REQUIRED


# After failures: registering


@watchful
@pytest.mark.stores
def test_a_network_that_registers_many_is_asked_and_others_are_not(client):
    def register(number, address=HERE, **more):
        form = {"email": f"u{number}@example.com", "password": PASSWORD, **more}
        return client.post(REGISTER, form, environ_overrides={"REMOTE_ADDR": address})

    few = [register(number).status_code for number in range(10)]

    assert few == [202] * 10
    assert verdict(register(10)) == REQUIRED
    assert register(10, captcha=solved(client, "register")).status_code == 202
    assert register(11, address=ELSEWHERE).status_code == 202
    with later(minutes=61):
        assert register(12).status_code == 202


@watchful
def test_asking_for_a_new_password_is_counted_by_itself(app):
    stranger = Visitor(HERE, "", "")
    with app.app_context():
        ask = partial(robots.require, "forgot", None, stranger)
        for _ in range(10):
            ask()

        with pytest.raises(robots.CaptchaRequired):
            ask()
        robots.require("register", None, stranger)


# The provider is down


@pytest.fixture
def provider(httpserver):
    """A provider that answers what a test says."""
    httpserver.expect_request("/siteverify").respond_with_data("", 500)
    return httpserver


@pytest.fixture
def settings_environment(request, settings_environment):
    """Where a test has a provider, use it."""
    if "provider" not in request.fixturenames:
        return settings_environment
    server = request.getfixturevalue("provider")
    return settings_environment | {
        "GATEHOUSE_CAPTCHA": "hcaptcha",
        "GATEHOUSE_CAPTCHA_SITE_KEY": "k",
        "GATEHOUSE_CAPTCHA_SECRET": "s",
        "GATEHOUSE_CAPTCHA_VERIFY_URL": server.url_for("/siteverify"),
        "GATEHOUSE_OUTBOUND_ALLOWED": f"localhost:{server.port}",
    }


@strict
def test_where_a_captcha_is_always_asked_nothing_goes_on_without_the_provider(provider, app, knock):
    answers = [knock(PASSWORD, captcha="a token"), knock(captcha="a token")]

    assert [verdict(answer) for answer in answers] == [(503, "service_unavailable")] * 2
    assert rows(app, GuessCounter) == []
    assert audited(app, "login.failed") == []


@watchful
def test_where_it_is_asked_after_failures_the_lockout_goes_on_alone(provider, knock):
    for _ in range(3):
        knock()

    answers = [verdict(knock(captcha="a token")) for _ in range(3)]
    unasked = verdict(knock(identifier="bob@example.com"))

    assert answers == [(401, "invalid_credentials")] * 2 + [(429, "too_many_attempts")]
    assert unasked == (401, "invalid_credentials")


@watchful
def test_a_provider_that_works_again_is_asked_again(provider, knock):
    for _ in range(3):
        knock()
    provider.clear()
    good = {"success": True, "hostname": "localhost"}
    provider.expect_request("/siteverify").respond_with_data(json.dumps(good))

    assert verdict(knock()) == REQUIRED
    assert knock(captcha="a token").status_code == 401
    assert verdict(knock(captcha="a token")) == REQUIRED  # it works once
