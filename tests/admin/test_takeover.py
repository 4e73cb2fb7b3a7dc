"""What an intruder has prepared in an account, and an administrator's help must put an end to."""

import pytest

from gatehouse.operations import cleanup
from models import Credential, User
from tests.admin.conftest import ADA, REASON, outcome
from tests.client import PASSWORD
from tests.mail_links import token_of
from tests.rows import audited, rows

INTRUDERS = "intruder@example.net"


@pytest.mark.parametrize("way", ["administrator", "operator"])
@pytest.mark.requirement("SE-07")
def test_password_that_must_be_changed_changes_no_address(client, app, support, ada, path_of, way):
    """The intruder knows the password, which is why another one is required."""
    client.as_(ada.tokens).post("/auth/email/change", {"email": INTRUDERS})
    prepared = client.mailbox(to=INTRUDERS)[0]["variables"]

    if way == "administrator":
        assert support.post(path_of(ADA, "reset-password"), REASON).status_code == 200
    else:
        assert app.test_cli_runner().invoke(args=["passwords", "flag", ADA]).exit_code == 0

    secrets = [
        {"email": INTRUDERS, "code": prepared["code"]},
        {"token": token_of(prepared["link"])},
    ]
    for secret in secrets:
        response = client.post("/auth/email/verify", secret | {"password": PASSWORD})
        assert outcome(response) == (401, "invalid_code")
    assert support.get(path_of(ADA)).json["email"] == ADA


@pytest.mark.requirement("AZ-04")
def test_reset_of_factors_stops_where_the_user_has_become_a_superior(
    app, admin, support, make_user, path_of, wait
):
    for email in (ADA, "bob@example.com"):
        make_user(email=email, factors=["totp"])
        assert support.post(path_of(email, "reset-mfa"), REASON).status_code == 202
    promotion = {"roles": [{"role": "admin"}]}
    assert admin.put(path_of(ADA, "roles"), promotion).status_code == 200

    wait(hours=25)
    with app.app_context():
        cleanup.run_cleanup()

    owners = {row.user_id for row in rows(app, Credential)}
    [ada], [bob] = (rows(app, User, email=email) for email in (ADA, "bob@example.com"))
    assert ada.id in owners
    assert bob.id not in owners
    assert audited(app, "factor.reset_aborted")[0].user_id == ada.id


@pytest.mark.requirement("AZ-04")
def test_support_does_not_void_the_invitation_of_an_administrator(app, client, support):
    invite = ["users", "invite", "boss@example.com", "--role", "admin"]
    assert app.test_cli_runner().invoke(args=invite).exit_code == 0
    token = token_of(client.mailbox(to="boss@example.com")[0]["variables"]["link"])

    created = support.post("/admin/users", {"email": "boss@example.com"})

    assert outcome(created) == (403, "forbidden")
    form = {"token": token, "password": "a long phrase of the boss"}
    assert client.post("/auth/invitation", form).status_code == 204
