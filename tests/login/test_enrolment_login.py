"""A login that waits until the factor is enrolled which the policy requires."""

import pytest

from models import Credential, Session
from tests.rows import rows

pytestmark = [
    pytest.mark.settings(GATEHOUSE_MFA="required"),
    pytest.mark.requirement("MF-01"),
]
ENROL, CONFIRM = "/auth/login/mfa/enrolment", "/auth/login/mfa/enrolment/confirm"
REJECTED = (401, "invalid_code")


def status_and_code(response):
    return response.status_code, response.json.get("code")


def enrol(client, user, challenge):
    """Start to enrol TOTP in a login; return the form that confirms it, without the code."""
    form = {"mfa_token": challenge["mfa_token"], "kind": "totp"}
    factor = client.post(ENROL, form).json
    user.secret = factor["secret"]
    return {"mfa_token": challenge["mfa_token"], "factor_id": factor["id"]}


def test_enrolment_login_is_void_once_its_user_has_a_factor(app, client, make_user):
    """With the password alone, an attacker must not confirm the second factor of the owner."""
    user = make_user()
    attacker, owner = client.log_in(user), client.log_in(user)
    form = enrol(client, user, owner)
    tokens = client.post(CONFIRM, form | {"code": user.totp(-1)}).json
    second = client.as_(tokens).post("/auth/mfa/factors", {"kind": "totp", "label": "Tablet"}).json
    user.secret = second["secret"]
    stolen = {"mfa_token": attacker["mfa_token"], "factor_id": second["id"], "code": user.totp()}

    confirmed = client.post(CONFIRM, stolen)
    enrolled = client.post(ENROL, {"mfa_token": attacker["mfa_token"], "kind": "totp"})

    assert (status_and_code(confirmed), status_and_code(enrolled)) == (REJECTED, REJECTED)
    assert len(rows(app, Session)) == 1
    labels = [row.label for row in rows(app, Credential) if row.confirmed_at and row.label]
    assert labels == ["totp"]


@pytest.mark.stores
def test_enrolment_login_is_void_once_its_password_is_flagged(app, client, make_user):
    user = make_user()
    form = enrol(client, user, client.log_in(user))
    flagged = app.test_cli_runner().invoke(args=["passwords", "flag", user.email])

    response = client.post(CONFIRM, form | {"code": user.totp()})

    assert flagged.exit_code == 0, flagged.output
    assert status_and_code(response) == REJECTED
    assert rows(app, Session) == []
    assert [row for row in rows(app, Credential) if row.confirmed_at] == []
