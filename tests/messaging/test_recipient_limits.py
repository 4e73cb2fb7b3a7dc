"""Hourly limits per recipient hold in parallel, and count known and unknown recipients alike."""

from functools import partial

import pytest

from tests.account.conftest import list_templates
from tests.client import Client
from tests.parallel import run_in_parallel

pytestmark = pytest.mark.stores

ADA, TARGET = "ada@example.com", "target@example.com"
REQUESTS, USERS = 10, 8
ACCEPTED = {202, 503}
"""On a slow machine some requests wait too long for the recipient's lock."""


@pytest.mark.requirement("RL-05")
def test_recipient_limit_is_shared_by_the_sub_addresses_of_a_mailbox(client, make_user):
    """A client that invents sub-addresses sends no more e-mails to the mailbox behind them."""
    addresses = [f"ada+{number}@example.com" for number in range(6)]
    for address in addresses[:3]:
        make_user(email=address)

    for address in addresses:
        client.post("/auth/password/forgot", {"email": address})
        client.post("/auth/password/forgot", {"email": address})
        client.register(address)
    client.register("eve@example.com")

    templates = [mail["template"] for mail in client.mailbox() if mail["to"] in addresses]
    assert templates.count("password_reset") == 3
    assert templates.count("account_exists") + templates.count("verify_email") == 3
    assert len(client.mailbox(to="eve@example.com")) == 1


def test_recipient_limit_of_three_emails_holds_in_parallel_requests(client, make_user):
    make_user(email=ADA)
    for path, template in (
        ("/auth/login/link", "login_link"),
        ("/auth/password/forgot", "password_reset"),
    ):
        responses = client.in_parallel(REQUESTS, path, {"email": ADA})

        assert {response.status_code for response in responses} <= ACCEPTED
        assert list_templates(client, ADA).count(template) == 3, path


def test_recipient_limit_holds_for_many_users_who_request_one_new_address(app, client, make_user):
    tokens = [
        client.log_in(make_user(email=f"user-{number}@example.com")) for number in range(USERS)
    ]

    responses = run_in_parallel(
        *(
            partial(Client(app.test_client).as_(one).post, "/auth/email/change", {"email": TARGET})
            for one in tokens
        )
    )

    assert {response.status_code for response in responses} <= ACCEPTED
    assert list_templates(client, TARGET) == ["email_change"] * 3
