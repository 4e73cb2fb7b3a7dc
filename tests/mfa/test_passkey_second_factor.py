"""A passkey as second factor after a password: one of the user's own, once per challenge."""

import pytest

from models import Credential
from tests.client import PASSWORD
from tests.mfa.authenticator import UP, UV
from tests.mfa.conftest import REJECTED, is_rejected, is_success, status_and_code
from tests.rows import audited, rows


@pytest.fixture
def start_login(client):
    """Return a function that logs in with the password and requests the passkey's options."""

    def start(browser):
        form = {"identifier": browser.user.email, "password": PASSWORD}
        challenge = client.post("/auth/login", form).json
        assert challenge["status"] == "mfa_required"
        factor = next(one for one in challenge["factors"] if one["kind"] == "passkey")
        form = {"mfa_token": challenge["mfa_token"], "factor_id": factor["id"]}
        return form | client.post("/auth/login/mfa/challenge", form).json

    return start


@pytest.fixture
def complete_login(client):
    """Return a function that completes the login; it takes the authenticator's overrides."""

    def complete(browser, login, **overrides):
        credential = browser.authenticator.get(login["public_key"], **overrides)
        form = {"mfa_token": login["mfa_token"], "factor_id": login["factor_id"]}
        return client.post("/auth/login/mfa", {**form, "credential": credential})

    return complete


def test_login_with_password_and_passkey(registered_browser, start_login, complete_login):
    login = start_login(registered_browser)

    completed = complete_login(registered_browser, login)

    [descriptor] = login["public_key"]["allowCredentials"]
    sessions = registered_browser.client.as_(completed.json).get("/auth/sessions").json["items"]
    assert descriptor["transports"] == ["internal"]
    assert sessions[0]["amr"] == ["pwd", "hwk", "mfa"]


@pytest.mark.requirement("WA-05")
def test_passkey_after_a_password_needs_user_presence_only(
    registered_browser, start_login, complete_login
):
    login = start_login(registered_browser)

    assert login["public_key"]["userVerification"] == "preferred"
    assert is_rejected(complete_login(registered_browser, login, flags=UV))
    assert is_success(complete_login(registered_browser, login, flags=UP))


@pytest.mark.requirement("WA-01")
def test_passkey_response_is_accepted_once_and_in_its_own_login_only(
    registered_browser, start_login, complete_login
):
    first, second = start_login(registered_browser), start_login(registered_browser)
    first_with_second = {**first, "public_key": second["public_key"]}
    second_with_first = {**second, "public_key": first["public_key"]}

    assert is_rejected(complete_login(registered_browser, first_with_second))
    assert is_success(complete_login(registered_browser, first))
    assert is_rejected(complete_login(registered_browser, first))
    assert is_rejected(complete_login(registered_browser, second_with_first))


@pytest.mark.requirement("WA-01")
def test_passkey_response_of_a_passwordless_login_is_rejected_in_a_second_step(
    registered_browser, start_login, complete_login
):
    login, passwordless = start_login(registered_browser), registered_browser.request_options()

    assert is_rejected(
        complete_login(registered_browser, {**login, "public_key": passwordless["public_key"]})
    )
    assert is_rejected(
        registered_browser.sign_in({**passwordless, "public_key": login["public_key"]})
    )


@pytest.mark.requirement("WA-11")
def test_passkey_of_another_user_is_rejected(
    app, registered_browser, new_browser, start_login, complete_login
):
    attacker = new_browser()
    assert is_success(attacker.register())

    assert is_rejected(complete_login(attacker, start_login(registered_browser)))
    assert audited(app, "passkey.refused")[-1].details["reason"].startswith("passkey unknown")


@pytest.mark.requirement("WA-09")
def test_passkey_counter_that_does_not_increase_is_audited_in_a_second_step(
    app, new_browser, start_login, complete_login
):
    browser = new_browser(counter=5)
    assert is_success(browser.register())
    assert is_success(complete_login(browser, start_login(browser)))

    assert is_rejected(complete_login(browser, start_login(browser), counter=6))

    [event] = audited(app, "passkey.clone_suspected")
    assert (event.details["sign_count"], event.details["stored_sign_count"]) == (6, 6)
    assert rows(app, Credential, kind="passkey")[0].counter == 6


def test_security_key_without_a_pin_is_accepted_as_a_second_factor_only(
    new_browser, start_login, complete_login
):
    browser = new_browser(flags=UP)
    signed_in = browser.client.as_(browser.user.tokens)
    enrolment = signed_in.post("/auth/mfa/factors", {"kind": "passkey", "label": "Key"}).json

    credential = browser.authenticator.create(enrolment["public_key"])
    path = f"/auth/mfa/factors/{enrolment['id']}/confirm"
    confirmed = signed_in.post(path, {"credential": credential})

    assert confirmed.json["factor"]["label"] == "Key"
    assert len(confirmed.json["recovery_codes"]) == 10
    assert is_success(complete_login(browser, start_login(browser)))
    assert is_rejected(browser.sign_in())


@pytest.mark.requirement("WA-02")
@pytest.mark.requirement("WA-03")
@pytest.mark.requirement("WA-04")
def test_passkey_rules_apply_to_enrolment_and_second_step(new_browser, start_login, complete_login):
    overrides = [
        {"type": "payment.get"},
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
    ]
    for override in overrides:
        browser = new_browser()
        signed_in = browser.client.as_(browser.user.tokens)
        enrolment = signed_in.post("/auth/mfa/factors", {"kind": "passkey"}).json
        path = f"/auth/mfa/factors/{enrolment['id']}/confirm"
        credential = browser.authenticator.create(enrolment["public_key"], **override)

        rejected = signed_in.post(path, {"credential": credential})
        confirmed = signed_in.post(
            path, {"credential": browser.authenticator.create(enrolment["public_key"])}
        )

        assert (status_and_code(rejected), confirmed.status_code) == (REJECTED, 200)
        assert is_rejected(complete_login(browser, start_login(browser), **override))
