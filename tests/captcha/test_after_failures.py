"""The policy `after_failures`: which requests need a CAPTCHA."""

from functools import partial

import pytest

from gatehouse.captcha import service as captcha_service
from gatehouse.web.request_context import RequestContext
from models import UsedCaptchaAnswer
from tests.captcha.conftest import (
    REGISTER,
    REQUIRED,
    after_failures,
    solve_captcha,
    status_and_code,
)
from tests.client import PASSWORD
from tests.login_attempts import ADA, ELSEWHERE, HERE, WRONG
from tests.mail_links import advance_clock
from tests.rows import rows

pytestmark = pytest.mark.requirement("RL-08")


# Login


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


# Registration and password reset


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
