"""What owners are told, at every address, and how often at most."""

import pytest

from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    change_email,
    forgot,
    log_in,
    mails,
    reset,
    reset_mail,
    templates,
)
from tests.client import PASSWORD
from tests.letters import other_code
from tests.password_guessing import set_counters

WRONG = "not her password at all"


@pytest.mark.requirement("RL-09")
@pytest.mark.stores
def test_the_first_login_ever_is_no_news_and_one_on_a_new_device_is(client, ada):
    first = client.log_in(ada)
    quiet = templates(client, ADA)
    known = {"X-Device-Token": first["device_token"]}
    client.post("/auth/login", {"identifier": ADA, "password": PASSWORD}, headers=known)
    still_quiet = templates(client, ADA)

    client.log_in(ada)

    assert quiet == still_quiet == []
    assert templates(client, ADA) == ["notice_new_device"]
    notice = mails(client, ADA, "notice_new_device")[0]
    assert notice["link"] == "http://localhost:8000/forgot-password"
    assert notice["address"] == "127.0.0.1"


@pytest.mark.requirement("RL-09")
def test_a_wrong_password_on_a_new_device_is_no_sign_in(client, ada):
    client.log_in(ada)

    log_in(client, ADA, WRONG)

    assert templates(client, ADA) == []


@pytest.mark.requirement("RG-05")
@pytest.mark.stores
def test_a_changed_password_is_told(client, ada):
    form = {"current_password": PASSWORD, "password": NEW}

    client.as_(client.log_in(ada)).post("/auth/password/change", form)

    assert templates(client, ADA)[-1] == "notice_password_changed"


@pytest.mark.requirement("RG-05")
def test_while_an_undo_is_open_the_old_address_is_told_too(client, ada, wait):
    tokens = client.log_in(ada)
    change_email(client, tokens)
    client.log_in(type(ada)(NEW_ADDRESS))
    both = [templates(client, to)[-1] for to in (ADA, NEW_ADDRESS)]
    wait(hours=73)

    client.log_in(type(ada)(NEW_ADDRESS))

    assert both == ["notice_new_device"] * 2
    assert len(mails(client, ADA, "notice_new_device")) == 1
    assert len(mails(client, NEW_ADDRESS, "notice_new_device")) == 2


@pytest.mark.requirement("RL-09")
@pytest.mark.stores
def test_a_lockout_is_told_once_an_hour(client, ada, wait):
    for _ in range(7):
        log_in(client, ADA, WRONG)
    once = templates(client, ADA).count("notice_lockout")
    elsewhere = {"REMOTE_ADDR": "198.51.100.7"}
    form = {"identifier": ADA, "password": WRONG}
    for _ in range(5):
        client.post("/auth/login", form, environ_overrides=elsewhere)
    still = templates(client, ADA).count("notice_lockout")

    wait(minutes=61)
    elsewhere = {"REMOTE_ADDR": "203.0.113.7"}
    for _ in range(5):
        client.post("/auth/login", form, environ_overrides=elsewhere)

    assert (once, still) == (1, 1)
    assert templates(client, ADA).count("notice_lockout") == 2


@pytest.mark.requirement("RL-09")
def test_codes_that_are_guessed_are_told_too(app, client, ada):
    code = other_code(reset_mail(client)["code"])
    reset(client, email=ADA, code=code)
    set_counters(app, 24)

    reset(client, email=ADA, code=code)

    assert templates(client, ADA)[-1] == "notice_lockout"


def test_of_one_kind_of_notice_an_address_gets_three_an_hour(client, ada, wait):
    for _ in range(6):
        client.log_in(ada)
    at_first = len(mails(client, ADA, "notice_new_device"))
    wait(minutes=61)

    client.log_in(ada)

    assert (at_first, len(mails(client, ADA, "notice_new_device"))) == (3, 4)


def test_notices_never_use_up_the_mails_that_open_an_account_again(client, ada):
    for _ in range(6):
        client.log_in(ada)
        client.register(ADA)

    forgot(client, email=ADA)

    assert templates(client, ADA)[-1] == "password_reset"
