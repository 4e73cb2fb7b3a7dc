"""The owner of an account that is locked for passwords can log in by other methods."""

import pytest

from tests.client import PASSWORD
from tests.login_attempts import ADA, ELSEWHERE, set_failures
from tests.mail_links import read_mail
from tests.mfa.authenticator import Authenticator

PASSKEYS = "/auth/passkeys/{}"
FROM_ELSEWHERE = {"environ_overrides": {"REMOTE_ADDR": ELSEWHERE}}


@pytest.fixture
def ada(client, make_user):
    """A user with a passkey."""
    ada = make_user(email=ADA)
    ada.passkey = Authenticator()
    signed_in = client.as_(client.log_in(ada))
    options = signed_in.post(PASSKEYS.format("registration/options")).json["public_key"]
    form = {"credential": ada.passkey.create(options)}
    assert signed_in.post(PASSKEYS.format("registration/verify"), form).status_code == 201
    return ada


@pytest.fixture
def lock_account(app, ada, attempt_login):
    """Fail a hundred times in a row on unknown devices."""
    attempt_login()
    set_failures(app, 99)
    attempt_login(ip_address="203.0.113.7")
    assert attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE).status_code == 429


def log_in_with_passkey(client, ada):
    challenge = client.post(PASSKEYS.format("authentication/options")).json
    form = {"login_token": challenge["login_token"]}
    form["credential"] = ada.passkey.get(challenge["public_key"])
    return client.post(PASSKEYS.format("authentication/verify"), form, **FROM_ELSEWHERE)


def log_in_with_link(client, ada):
    challenge = client.post("/auth/login/link", {"email": ADA}).json
    form = {"login_token": challenge["login_token"], "code": read_mail(client, ADA)["code"]}
    return client.post("/auth/login/link/verify", form, **FROM_ELSEWHERE)


@pytest.mark.requirement("RL-02")
@pytest.mark.usefixtures("lock_account")
@pytest.mark.parametrize("log_in", [log_in_with_passkey, log_in_with_link])
def test_locked_account_allows_logins_without_the_password(client, ada, attempt_login, log_in):
    assert log_in(client, ada).json["status"] in ("authenticated", "mfa_required")

    assert attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE).status_code == 429
