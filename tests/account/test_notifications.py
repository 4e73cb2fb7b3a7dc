"""Notifications to users: for which events, at which addresses, and how often."""

import pytest

from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    change_email,
    list_templates,
    log_in,
    read_messages,
    request_reset,
    request_reset_mail,
    reset_password,
)
from tests.client import PASSWORD
from tests.login_attempts import set_failures
from tests.mail_links import wrong_code

WRONG = "not her password at all"


@pytest.mark.requirement("RL-09")
@pytest.mark.stores
def test_notification_is_sent_for_a_new_device_but_not_for_the_first_login(client, ada):
    first = client.log_in(ada)
    after_first = list_templates(client, ADA)
    known_device = {"X-Device-Token": first["device_token"]}
    client.post("/auth/login", {"identifier": ADA, "password": PASSWORD}, headers=known_device)
    on_known_device = list_templates(client, ADA)

    client.log_in(ada)

    assert after_first == on_known_device == []
    assert list_templates(client, ADA) == ["notice_new_device"]
    variables = read_messages(client, ADA, "notice_new_device")[0]
    assert variables["link"] == "http://localhost:8000/forgot-password"
    assert variables["address"] == "127.0.0.1"


@pytest.mark.requirement("RL-09")
def test_notification_of_a_new_device_is_not_sent_for_a_wrong_password(client, ada):
    client.log_in(ada)

    log_in(client, ADA, WRONG)

    assert list_templates(client, ADA) == []


@pytest.mark.requirement("RG-05")
@pytest.mark.stores
def test_notification_is_sent_for_a_changed_password(client, ada):
    form = {"current_password": PASSWORD, "password": NEW}

    client.as_(client.log_in(ada)).post("/auth/password/change", form)

    assert list_templates(client, ADA)[-1] == "notice_password_changed"


@pytest.mark.requirement("RG-05")
def test_notification_goes_to_the_old_address_while_it_can_revert_the_change(client, ada, wait):
    tokens = client.log_in(ada)
    change_email(client, tokens)
    client.log_in(type(ada)(NEW_ADDRESS))
    both = [list_templates(client, to)[-1] for to in (ADA, NEW_ADDRESS)]
    wait(hours=73)

    client.log_in(type(ada)(NEW_ADDRESS))

    assert both == ["notice_new_device"] * 2
    assert len(read_messages(client, ADA, "notice_new_device")) == 1
    assert len(read_messages(client, NEW_ADDRESS, "notice_new_device")) == 2


@pytest.mark.requirement("RL-09")
@pytest.mark.stores
def test_notification_of_a_lockout_is_sent_once_an_hour(client, ada, wait):
    for _ in range(7):
        log_in(client, ADA, WRONG)
    first = list_templates(client, ADA).count("notice_lockout")
    elsewhere = {"REMOTE_ADDR": "198.51.100.7"}
    form = {"identifier": ADA, "password": WRONG}
    for _ in range(5):
        client.post("/auth/login", form, environ_overrides=elsewhere)
    later = list_templates(client, ADA).count("notice_lockout")

    wait(minutes=61)
    elsewhere = {"REMOTE_ADDR": "203.0.113.7"}
    for _ in range(5):
        client.post("/auth/login", form, environ_overrides=elsewhere)

    assert (first, later) == (1, 1)
    assert list_templates(client, ADA).count("notice_lockout") == 2


@pytest.mark.requirement("RL-09")
def test_notification_of_a_lockout_is_sent_for_wrong_codes(app, client, ada):
    code = wrong_code(request_reset_mail(client)["code"])
    reset_password(client, email=ADA, code=code)
    set_failures(app, 24)

    reset_password(client, email=ADA, code=code)

    assert list_templates(client, ADA)[-1] == "notice_lockout"


def test_notification_of_one_template_is_limited_to_three_per_hour(client, ada, wait):
    for _ in range(6):
        client.log_in(ada)
    in_first_hour = len(read_messages(client, ADA, "notice_new_device"))
    wait(minutes=61)

    client.log_in(ada)

    assert (in_first_hour, len(read_messages(client, ADA, "notice_new_device"))) == (3, 4)


def test_notification_limit_does_not_affect_password_reset_emails(client, ada):
    for _ in range(6):
        client.log_in(ada)
        client.register(ADA)

    request_reset(client, email=ADA)

    assert list_templates(client, ADA)[-1] == "password_reset"
