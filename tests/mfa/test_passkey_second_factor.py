"""A passkey after a password: asked by the login, answered once, by one of the person's own."""

import pytest

from models import Credential
from tests.client import PASSWORD
from tests.mfa.authenticator import UP, UV
from tests.mfa.conftest import REFUSED, succeeds, told
from tests.rows import audited, rows


@pytest.fixture
def ask(client):
    """Begin to sign in with the password; return what the passkey is asked."""

    def ask(browser):
        form = {"identifier": browser.user.email, "password": PASSWORD}
        wanted = client.post("/auth/login", form).json
        assert wanted["status"] == "mfa_required"
        factor = next(one for one in wanted["factors"] if one["kind"] == "passkey")
        chosen = {"mfa_token": wanted["mfa_token"], "factor_id": factor["id"]}
        return chosen | client.post("/auth/login/mfa/challenge", chosen).json

    return ask


@pytest.fixture
def answer(client):
    """Answer it, with lies."""

    def answer(browser, asked, **lies):
        credential = browser.authenticator.get(asked["public_key"], **lies)
        form = {"mfa_token": asked["mfa_token"], "factor_id": asked["factor_id"]}
        return client.post("/auth/login/mfa", {**form, "credential": credential})

    return answer


def test_a_password_and_a_passkey_sign_in(ready, ask, answer):
    asked = ask(ready)

    finished = answer(ready, asked)

    [named] = asked["public_key"]["allowCredentials"]
    sessions = ready.client.as_(finished.json).get("/auth/sessions").json["items"]
    assert named["transports"] == ["internal"]
    assert sessions[0]["amr"] == ["pwd", "hwk", "mfa"]


@pytest.mark.requirement("WA-05")
def test_beside_a_password_being_present_is_enough(ready, ask, answer):
    asked = ask(ready)

    assert asked["public_key"]["userVerification"] == "preferred"
    assert told(answer(ready, asked, flags=UV)) == REFUSED
    assert succeeds(answer(ready, asked, flags=UP))


@pytest.mark.requirement("WA-01")
def test_an_answer_is_good_for_the_login_that_asked_and_once(ready, ask, answer):
    first, second = ask(ready), ask(ready)
    swapped = {**first, "public_key": second["public_key"]}

    assert told(answer(ready, swapped)) == REFUSED
    assert succeeds(answer(ready, first))
    assert told(answer(ready, first)) == REFUSED
    assert told(answer(ready, {**second, "public_key": first["public_key"]})) == REFUSED


@pytest.mark.requirement("WA-01")
def test_an_answer_to_a_sign_in_is_none_to_a_second_step(ready, ask, answer):
    asked, alone = ask(ready), ready.options()

    assert told(answer(ready, {**asked, "public_key": alone["public_key"]})) == REFUSED
    assert told(ready.sign_in({**alone, "public_key": asked["public_key"]})) == REFUSED


@pytest.mark.requirement("WA-11")
def test_the_passkey_of_somebody_else_is_none_of_mine(app, ready, new_browser, ask, answer):
    thief = new_browser()
    assert succeeds(thief.register())

    assert told(answer(thief, ask(ready))) == REFUSED
    assert audited(app, "passkey.refused")[-1].details["why"].startswith("passkey of somebody else")


@pytest.mark.requirement("WA-09")
def test_a_counter_that_falls_is_told_at_the_second_step_too(app, new_browser, ask, answer):
    browser = new_browser(counter=5)
    assert succeeds(browser.register())
    assert succeeds(answer(browser, ask(browser)))

    assert told(answer(browser, ask(browser), counter=6)) == REFUSED

    [fallen] = audited(app, "passkey.counter_fell")
    assert (fallen.details["told"], fallen.details["known"]) == (6, 6)
    assert rows(app, Credential, kind="passkey")[0].counter == 6


def test_a_security_key_without_a_pin_is_a_second_factor_only(new_browser, ask, answer):
    browser = new_browser(flags=UP)
    signed_in = browser.client.as_(browser.user.tokens)
    begun = signed_in.post("/auth/mfa/factors", {"kind": "passkey", "label": "Key"}).json

    credential = browser.authenticator.create(begun["public_key"])
    path = f"/auth/mfa/factors/{begun['id']}/confirm"
    confirmed = signed_in.post(path, {"credential": credential})

    assert confirmed.json["factor"]["label"] == "Key"
    assert len(confirmed.json["recovery_codes"]) == 10
    assert succeeds(answer(browser, ask(browser)))
    assert told(browser.sign_in()) == REFUSED


@pytest.mark.requirement("WA-02")
@pytest.mark.requirement("WA-03")
@pytest.mark.requirement("WA-04")
def test_the_rules_hold_where_a_factor_is_set_up_and_where_it_is_asked(new_browser, ask, answer):
    lies = [{"type": "payment.get"}, {"origin": "https://evil.example"}, {"rp_id": "evil.example"}]
    for lie in lies:
        browser = new_browser()
        signed_in = browser.client.as_(browser.user.tokens)
        begun = signed_in.post("/auth/mfa/factors", {"kind": "passkey"}).json
        path = f"/auth/mfa/factors/{begun['id']}/confirm"
        made = browser.authenticator.create(begun["public_key"], **lie)

        refused = signed_in.post(path, {"credential": made})
        confirmed = signed_in.post(
            path, {"credential": browser.authenticator.create(begun["public_key"])}
        )

        assert (told(refused), confirmed.status_code) == (REFUSED, 200)
        assert told(answer(browser, ask(browser), **lie)) == REFUSED
