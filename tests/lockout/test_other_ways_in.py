"""While strangers' guesses shut the password of an account, its owner has other ways in."""

import pytest

from tests.client import PASSWORD
from tests.letters import letter
from tests.mfa.authenticator import Authenticator
from tests.password_guessing import ADA, ELSEWHERE, set_counters

PASSKEYS = "/auth/passkeys/{}"
FROM_THERE = {"environ_overrides": {"REMOTE_ADDR": ELSEWHERE}}


@pytest.fixture
def ada(client, make_user):
    """Somebody with a passkey."""
    ada = make_user(email=ADA)
    ada.passkey = Authenticator()
    mine = client.as_(client.log_in(ada))
    asked = mine.post(PASSKEYS.format("registration/options")).json["public_key"]
    form = {"credential": ada.passkey.create(asked)}
    assert mine.post(PASSKEYS.format("registration/verify"), form).status_code == 201
    return ada


@pytest.fixture
def shut(app, ada, guess):
    """Let strangers guess a hundred times in a row."""
    guess()
    set_counters(app, 99)
    guess(address="203.0.113.7")
    assert guess(ADA, PASSWORD, address=ELSEWHERE).status_code == 429


def by_passkey(client, ada):
    asked = client.post(PASSKEYS.format("authentication/options")).json
    form = {"login_token": asked["login_token"]}
    form["credential"] = ada.passkey.get(asked["public_key"])
    return client.post(PASSKEYS.format("authentication/verify"), form, **FROM_THERE)


def by_link(client, ada):
    asked = client.post("/auth/login/link", {"email": ADA}).json
    form = {"login_token": asked["login_token"], "code": letter(client, ADA)["code"]}
    return client.post("/auth/login/link/verify", form, **FROM_THERE)


@pytest.mark.requirement("RL-02")
@pytest.mark.parametrize("way", [by_passkey, by_link])
def test_the_owner_signs_in_from_elsewhere_without_the_password(client, ada, shut, guess, way):
    assert way(client, ada).json["status"] in ("authenticated", "mfa_required")

    assert guess(ADA, PASSWORD, address=ELSEWHERE).status_code == 429
