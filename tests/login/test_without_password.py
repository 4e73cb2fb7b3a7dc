"""An account that never had a password: whatever wants one behaves as where it is wrong."""

import pytest

from models import Credential, Password
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    change_email,
    mails,
    reset,
    reset_mail,
    told,
    undo_token,
)
from tests.client import PASSWORD, User
from tests.mfa.passkey_sign_up import Newcomer
from tests.mfa.recovery import announced, ask, keep_house, prove
from tests.rows import audited, rows

LOGIN = "/auth/login"


@pytest.fixture
def ada(client):
    """Ada, who has a passkey and nothing else, but for recovery codes."""
    newcomer = Newcomer(client)
    newcomer.register()
    newcomer.recovery_codes = newcomer.verify().json["recovery_codes"]
    return newcomer


@pytest.fixture
def session(ada):
    """Her tokens."""
    return ada.sign_in().json


def by_link(client):
    """Sign in with a code by mail, as far as that goes."""
    asked = client.post("/auth/login/link", {"email": ADA}).json["login_token"]
    form = {"login_token": asked, "code": mails(client, ADA, "login_link")[0]["code"]}
    return client.post("/auth/login/link/verify", form)


def second_step(client, question, ada):
    """Prove the passkey beside a first step."""
    named = {"mfa_token": question["mfa_token"], "factor_id": question["factors"][0]["id"]}
    asked = client.post("/auth/login/mfa/challenge", named).json
    credential = ada.authenticator.get(asked["public_key"])
    return client.post("/auth/login/mfa", named | {"credential": credential})


def shown(answer):
    """Return all that a stranger can compare."""
    kept = {n: v for n, v in answer.headers if n not in ("X-Request-Id", "Date", "Content-Length")}
    body = {n: v for n, v in answer.json.items() if n != "request_id"}
    return answer.status_code, str(body), str(kept)


@pytest.mark.stores
@pytest.mark.requirement("RL-07")
def test_a_login_by_password_is_refused_as_for_nobody_until_it_waits_as_for_nobody(client, ada):
    whom = [{"identifier": who, "password": PASSWORD} for who in (ADA, "nob@example.com")]

    told_of = [[shown(client.post(LOGIN, form)) for form in whom] for _ in range(6)]

    assert [known == unknown for known, unknown in told_of] == [True] * 6
    assert [known[0] for known, _ in told_of] == [401] * 5 + [429]
    assert ada.sign_in().status_code == 200


def test_its_level_is_that_of_two_factors(client, ada, session):
    answer = client.as_(session).post("/auth/passkeys/registration/options")

    assert answer.status_code == 200  # which needs the highest level of the account
    [signed_in] = audited_logins(client, session)
    assert set(signed_in["amr"]) >= {"mfa"}


def audited_logins(client, session):
    return client.as_(session).get("/auth/sessions").json["items"]


def test_no_password_is_changed_and_none_proves_anything(client, session):
    mine = client.as_(session)

    form = {"current_password": PASSWORD, "password": NEW}
    answers = [mine.post("/auth/password/change", form)]
    answers += [mine.post("/auth/reauthenticate", {"password": PASSWORD})]

    assert [told(answer) for answer in answers] == [(401, "invalid_credentials")] * 2


def test_the_passkey_proves_anew_who_one_is(client, ada, session):
    mine = client.as_(session)
    [passkey] = [f for f in mine.get("/auth/mfa/factors").json["items"] if f["kind"] == "passkey"]
    asked = mine.post("/auth/reauthenticate/challenge", {"factor_id": passkey["id"]}).json

    credential = ada.authenticator.get(asked["public_key"])

    answer = mine.post("/auth/reauthenticate", {"credential": credential})
    assert told(answer) == (200, "authenticated")


@pytest.mark.requirement("MF-01")
@pytest.mark.parametrize("way", ["link", "password that was set by mail"])
def test_the_mailbox_alone_meets_the_passkey(app, client, ada, way):
    if way == "link":
        question = by_link(client).json
    else:
        assert reset(client, NEW, token=reset_mail(client)["token"]).status_code == 204
        question = client.log_in(User(ADA, NEW))

    assert question["status"] == "mfa_required"
    assert told(second_step(client, question, ada)) == (200, "authenticated")
    assert ada.sign_in().status_code == 200
    assert len(rows(app, Password)) == (way != "link")


@pytest.mark.requirement("RG-04")
def test_the_mailbox_alone_does_not_remove_the_passkey(app, client, ada):
    assert reset(client, NEW, token=reset_mail(client)["token"]).status_code == 204

    answer = prove(client, ask(client), password=NEW)

    assert told(answer) == (403, "proofs_not_independent")
    assert announced(app) == 0


@pytest.mark.requirement("RG-04")
def test_who_lost_the_passkey_gets_in_again_with_a_saved_code_and_one_by_mail(
    app, client, ada, wait
):
    assert told(prove(client, ask(client), recovery_code=ada.recovery_codes[0]))[0] == 200
    wait(days=1, seconds=1)
    keep_house(app)

    assert told(by_link(client)) == (200, "authenticated")
    assert told(ada.sign_in()) == (401, "invalid_code")
    assert rows(app, Credential) == []


def test_without_any_password_a_sent_code_and_a_guess_prove_nothing(app, client, ada):
    answer = prove(client, ask(client), password=PASSWORD)

    assert told(answer) == (401, "invalid_credentials")
    assert announced(app) == 0


def test_another_address_is_proved_by_its_code_and_can_be_undone(app, client, ada, session):
    assert told(change_email(client, session, NEW_ADDRESS)) == (200, "verified")

    undone = client.post("/auth/email/undo", {"token": undo_token(client)})

    assert undone.status_code == 204
    assert told(by_link(client)) == (200, "mfa_required")
    assert ada.sign_in().status_code == 200
    assert len(audited(app, "email.undone")) == 1
