"""Changes of factors are told at every address, old and new, with a way to object."""

import pytest

from tests.account.conftest import ADA, NEW_ADDRESS, change_email, mails
from tests.mfa import otp
from tests.mfa.authenticator import Authenticator
from tests.mfa.conftest import Browser

OBJECTION = "http://localhost:8000/forgot-password"


@pytest.fixture
def user(client, make_user):
    """Somebody who has an app and another address since today: the old one can still undo that."""
    user = make_user(email=ADA, factors=["totp"])
    change_email(client, client.second_step(user, client.log_in(user)))
    user.email = NEW_ADDRESS
    return user


def told(client, template):
    """Return what factor the newest notice of a kind names, and where one can object to it."""
    newest = [mails(client, to, template)[0] for to in (ADA, NEW_ADDRESS)]
    return [(notice.get("factor"), notice["link"]) for notice in newest]


def add_a_passkey(client, user):
    assert Browser(client, Authenticator(), user).register().status_code == 201


def replace_the_codes(client, user):
    assert client.as_(user.tokens).post("/auth/mfa/recovery-codes").status_code == 201


def remove_the_app(client, user):
    [app, _codes] = client.as_(user.tokens).get("/auth/mfa/factors").json["items"]
    assert client.as_(user.tokens).delete(f"/auth/mfa/factors/{app['id']}").status_code == 204


def use_a_code(client, user):
    form = {"factor": "recovery_codes", "code": user.recovery_codes[0]}
    client.second_step(user, client.log_in(user), **form)


@pytest.mark.requirement("RG-05")
@pytest.mark.parametrize(
    ("act", "template", "factor"),
    [
        (add_a_passkey, "notice_factor_added", "passkey"),
        (replace_the_codes, "notice_factor_added", "recovery_codes"),
        (remove_the_app, "notice_factor_removed", "Phone (totp)"),
        (use_a_code, "notice_recovery_code_used", None),
    ],
)
def test_a_change_of_a_factor_is_told_at_the_old_and_the_new_address(
    client, user, act, template, factor
):
    act(client, user)

    assert told(client, template) == [(factor, OBJECTION)] * 2


@pytest.mark.requirement("RG-05")
@pytest.mark.parametrize(
    ("kind", "named"), [("totp", "Phone (totp)"), ("sms", "sms"), ("email", "email")]
)
def test_a_new_factor_is_told_at_the_old_and_the_new_address(client, make_user, kind, named):
    user = make_user(email=ADA)
    change_email(client, client.log_in(user))
    user.email = NEW_ADDRESS
    client.log_in(user)

    if kind == "totp":
        client.enrol_totp(user)
    else:
        otp.enrol(client, user, kind)

    assert told(client, "notice_factor_added") == [(named, OBJECTION)] * 2
