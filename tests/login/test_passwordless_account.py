"""Accounts that never had a password: routes that need one respond as to a wrong password."""

import pytest

from models import Credential, Password
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    change_email,
    read_messages,
    read_revert_token,
    request_reset_mail,
    reset_password,
    status_and_code,
)
from tests.client import PASSWORD, User
from tests.mfa.passkey_sign_up import PasskeyApplicant
from tests.mfa.recovery import count_pending_resets, request_recovery, run_cleanup, verify_recovery
from tests.rows import audited, rows

LOGIN = "/auth/login"


@pytest.fixture
def ada(client):
    """Ada, who has a passkey and recovery codes, and no password."""
    applicant = PasskeyApplicant(client)
    applicant.register()
    applicant.recovery_codes = applicant.verify_email().json["recovery_codes"]
    return applicant


@pytest.fixture
def session(ada):
    """The tokens of a login with her passkey."""
    return ada.sign_in().json


def by_link(client):
    """Do the first login step with a code by e-mail."""
    login_token = client.post("/auth/login/link", {"email": ADA}).json["login_token"]
    form = {"login_token": login_token, "code": read_messages(client, ADA, "login_link")[0]["code"]}
    return client.post("/auth/login/link/verify", form)


def complete_with_passkey(client, challenge, ada):
    """Do the second login step with the passkey."""
    form = {"mfa_token": challenge["mfa_token"], "factor_id": challenge["factors"][0]["id"]}
    options = client.post("/auth/login/mfa/challenge", form).json
    credential = ada.authenticator.get(options["public_key"])
    return client.post("/auth/login/mfa", form | {"credential": credential})


def observable_parts(response):
    """Return what a client can observe, without ids and the date."""
    variable = ("X-Request-Id", "Date", "Content-Length")
    headers = {name: value for name, value in response.headers if name not in variable}
    body = {n: v for n, v in response.json.items() if n != "request_id"}
    return response.status_code, str(body), str(headers)


@pytest.mark.stores
@pytest.mark.requirement("RL-07")
def test_passwordless_account_login_by_password_looks_like_an_unknown_account(client, ada):
    forms = [{"identifier": email, "password": PASSWORD} for email in (ADA, "unk@example.com")]

    pairs = [[observable_parts(client.post(LOGIN, form)) for form in forms] for _ in range(6)]

    assert [known == unknown for known, unknown in pairs] == [True] * 6
    assert [known[0] for known, _ in pairs] == [401] * 5 + [429]
    assert ada.sign_in().status_code == 200


def test_passwordless_account_login_by_passkey_reaches_the_highest_level(client, ada, session):
    response = client.as_(session).post("/auth/passkeys/registration/options")

    assert response.status_code == 200  # this needs the highest level of the account
    [item] = client.as_(session).get("/auth/sessions").json["items"]
    assert set(item["amr"]) >= {"mfa"}


def test_passwordless_account_rejects_password_change_and_password_reauthentication(
    client, session
):
    mine = client.as_(session)

    form = {"current_password": PASSWORD, "password": NEW}
    responses = [mine.post("/auth/password/change", form)]
    responses += [mine.post("/auth/reauthenticate", {"password": PASSWORD})]

    assert [status_and_code(response) for response in responses] == [
        (401, "invalid_credentials")
    ] * 2


def test_passwordless_account_reauthenticates_with_the_passkey(client, ada, session):
    mine = client.as_(session)
    [passkey] = [f for f in mine.get("/auth/mfa/factors").json["items"] if f["kind"] == "passkey"]
    options = mine.post("/auth/reauthenticate/challenge", {"factor_id": passkey["id"]}).json

    credential = ada.authenticator.get(options["public_key"])

    response = mine.post("/auth/reauthenticate", {"credential": credential})
    assert status_and_code(response) == (200, "authenticated")


@pytest.mark.requirement("MF-01")
@pytest.mark.parametrize("way", ["link", "password set by e-mail"])
def test_passwordless_account_needs_the_passkey_after_access_by_email(app, client, ada, way):
    if way == "link":
        challenge = by_link(client).json
    else:
        assert (
            reset_password(client, NEW, token=request_reset_mail(client)["token"]).status_code
            == 204
        )
        challenge = client.log_in(User(ADA, NEW))

    assert challenge["status"] == "mfa_required"
    assert status_and_code(complete_with_passkey(client, challenge, ada)) == (200, "authenticated")
    assert ada.sign_in().status_code == 200
    assert len(rows(app, Password)) == (way != "link")


@pytest.mark.requirement("RG-04")
def test_passwordless_account_keeps_the_passkey_if_only_the_mailbox_is_accessed(app, client, ada):
    assert reset_password(client, NEW, token=request_reset_mail(client)["token"]).status_code == 204

    response = verify_recovery(client, request_recovery(client), password=NEW)

    assert status_and_code(response) == (403, "proofs_not_independent")
    assert count_pending_resets(app) == 0


@pytest.mark.requirement("RG-04")
def test_passwordless_account_is_recovered_with_recovery_code_and_email_code(
    app, client, ada, wait
):
    assert (
        status_and_code(
            verify_recovery(client, request_recovery(client), recovery_code=ada.recovery_codes[0])
        )[0]
        == 200
    )
    wait(days=1, seconds=1)
    run_cleanup(app)

    assert status_and_code(by_link(client)) == (200, "authenticated")
    assert status_and_code(ada.sign_in()) == (401, "invalid_code")
    assert rows(app, Credential) == []


def test_passwordless_account_is_not_recovered_with_email_code_and_any_password(app, client, ada):
    response = verify_recovery(client, request_recovery(client), password=PASSWORD)

    assert status_and_code(response) == (401, "invalid_credentials")
    assert count_pending_resets(app) == 0


def test_passwordless_account_can_change_and_revert_its_email(app, client, ada, session):
    assert status_and_code(change_email(client, session, NEW_ADDRESS)) == (200, "verified")

    reverted = client.post("/auth/email/undo", {"token": read_revert_token(client)})

    assert reverted.status_code == 204
    assert status_and_code(by_link(client)) == (200, "mfa_required")
    assert ada.sign_in().status_code == 200
    assert len(audited(app, "email.change_reverted")) == 1
