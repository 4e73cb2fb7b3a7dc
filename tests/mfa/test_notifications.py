"""Users are notified of factor changes at the old and the new e-mail address."""

import pytest

from tests.account.conftest import ADA, NEW_ADDRESS, change_email, read_messages
from tests.mfa import otp
from tests.mfa.authenticator import Authenticator
from tests.mfa.conftest import Browser

RESET_URL = "http://localhost:8000/forgot-password"


@pytest.fixture
def user(client, make_user):
    """A user with TOTP who changed the e-mail address just now, so the old one is notified too."""
    user = make_user(email=ADA, factors=["totp"])
    change_email(client, client.complete_mfa(user, client.log_in(user)))
    user.email = NEW_ADDRESS
    return user


def read_notifications(client, template):
    """Return factor and link of the newest notification at the old and the new address."""
    newest = [read_messages(client, to, template)[0] for to in (ADA, NEW_ADDRESS)]
    return [(message.get("factor"), message["link"]) for message in newest]


def add_passkey(client, user):
    assert Browser(client, Authenticator(), user).register().status_code == 201


def replace_recovery_codes(client, user):
    assert client.as_(user.tokens).post("/auth/mfa/recovery-codes").status_code == 201


def remove_totp(client, user):
    [totp, _codes] = client.as_(user.tokens).get("/auth/mfa/factors").json["items"]
    assert client.as_(user.tokens).delete(f"/auth/mfa/factors/{totp['id']}").status_code == 204


def use_recovery_code(client, user):
    form = {"factor": "recovery_codes", "code": user.recovery_codes[0]}
    client.complete_mfa(user, client.log_in(user), **form)


@pytest.mark.requirement("RG-05")
@pytest.mark.parametrize(
    ("change", "template", "factor"),
    [
        (add_passkey, "notice_factor_added", "passkey"),
        (replace_recovery_codes, "notice_factor_added", "recovery_codes"),
        (remove_totp, "notice_factor_removed", "Phone (totp)"),
        (use_recovery_code, "notice_recovery_code_used", None),
    ],
)
def test_factor_change_is_notified_at_the_old_and_the_new_email(
    client, user, change, template, factor
):
    change(client, user)

    assert read_notifications(client, template) == [(factor, RESET_URL)] * 2


@pytest.mark.requirement("RG-05")
@pytest.mark.parametrize(
    ("kind", "name"), [("totp", "Phone (totp)"), ("sms", "sms"), ("email", "email")]
)
def test_new_factor_is_notified_at_the_old_and_the_new_email(client, make_user, kind, name):
    user = make_user(email=ADA)
    change_email(client, client.log_in(user))
    user.email = NEW_ADDRESS
    client.log_in(user)

    if kind == "totp":
        client.enrol_totp(user)
    else:
        otp.enrol_factor(client, user, kind)

    assert read_notifications(client, "notice_factor_added") == [(name, RESET_URL)] * 2


@pytest.mark.settings(GATEHOUSE_FRONTEND_URL="https://app.example.com/account")
@pytest.mark.parametrize(
    ("change", "template"),
    [
        (add_passkey, "notice_factor_added"),
        (replace_recovery_codes, "notice_factor_added"),
        (remove_totp, "notice_factor_removed"),
        (use_recovery_code, "notice_recovery_code_used"),
    ],
)
def test_factor_notification_links_to_the_front_end(client, user, change, template):
    change(client, user)

    links = {link for _, link in read_notifications(client, template)}
    assert links == {"https://app.example.com/account/forgot-password"}
