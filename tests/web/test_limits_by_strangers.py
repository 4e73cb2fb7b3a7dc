"""A stranger's requests for a recipient do not use up the limits of the recipient's owner."""

import pytest

from tests.account.conftest import list_templates
from tests.tokens.forgery import case
from tests.web.rate_limited_requests import limits_on, read_limit

OWNER, STRANGER = "192.0.2.1", "203.0.113.9"
PATHS = {
    "/auth/register": {"password": "seven green lanterns"},
    "/auth/email/resend": {},
    "/auth/password/forgot": {},
    "/auth/mfa/recovery": {},
    "/auth/login/link": {},
}
"""The routes without a signed-in user that send something to the recipient in their body."""
FROM_SIGNED_IN_USERS = {
    "/auth/email/change": {"email": "new@example.com"},
    "/auth/phone": {"phone": "+4915112345678"},
}


def send(app, ip_address, path, form, times=1, **headers):
    """Send a request from an IP address so many times; return the statuses and the last answer."""
    post, peer = app.test_client(use_cookies=False).post, {"REMOTE_ADDR": ip_address}
    sent = [post(path, json=form, headers=headers, environ_overrides=peer) for _ in range(times)]
    return [answer.status_code for answer in sent], sent[-1]


@pytest.mark.stores
@limits_on
@pytest.mark.requirement("RL-02")
@pytest.mark.requirement("RL-07")
def test_stranger_causes_no_429_for_the_owner_of_a_recipient(app, make_user):
    for number, (path, form) in enumerate(PATHS.items()):  # two of them share their limits
        known = make_user(email=f"known{number}@example.com")
        for email in (known.email, f"unknown{number}@example.com"):
            with case(path=path, email=email):
                body = form | {"email": email}

                strangers, rejected = send(app, STRANGER, path, body, 12)
                owners, _ = send(app, OWNER, path, body, 4)

                assert strangers == [202] * 4 + [429] * 8
                assert read_limit(rejected)[:3] == ("recipient_and_network", 4, 600)
                assert owners == [202] * 4
                assert send(app, OWNER, path, body)[0] == [429]


@limits_on
@pytest.mark.requirement("RL-02")
def test_user_causes_no_429_for_another_user_who_asks_for_the_same_recipient(
    app, client, make_user
):
    tokens = {
        network: client.log_in(make_user(email=email))["access_token"]
        for network, email in ((STRANGER, "eve@example.com"), (OWNER, "ada@example.com"))
    }
    for path, form in FROM_SIGNED_IN_USERS.items():
        with case(path=path):
            sent = {
                network: send(app, network, path, form, 5, Authorization=f"Bearer {token}")[0]
                for network, token in tokens.items()
            }

            assert set(map(tuple, sent.values())) == {(202, 202, 202, 202, 429)}


@limits_on
@pytest.mark.requirement("RL-05")
def test_networks_of_one_household_are_one_network(app):
    """An IPv6 household has 256 /64 networks: they are one of the three that use a limit up."""
    form = {"email": "ada@example.com"}
    statuses = [
        send(app, f"2001:db8:0:{number:x}::1", "/auth/password/forgot", form)[0][0]
        for number in range(6)
    ]

    assert statuses == [202] * 4 + [429] * 2
    assert send(app, "2001:db8:0:100::1", "/auth/password/forgot", form)[0] == [202]


@pytest.mark.stores
@pytest.mark.requirement("RL-02")
def test_owner_gets_the_messages_that_a_stranger_used_up_the_limit_of(app, client, make_user):
    make_user(email="ada@example.com")
    for path, template in (
        ("/auth/login/link", "login_link"),
        ("/auth/password/forgot", "password_reset"),
    ):
        with case(path=path):
            form = {"email": "ada@example.com"}
            send(app, STRANGER, path, form, 5)
            before = list_templates(client, "ada@example.com").count(template)

            send(app, OWNER, path, form)
            after = list_templates(client, "ada@example.com").count(template)
            for network in range(20):
                send(app, f"198.51.{network}.1", path, form)

            assert (before, after) == (3, 4)
            assert list_templates(client, "ada@example.com").count(template) == 9
