"""What an intruder has prepared in an account, and an administrator's help must put an end to."""

import pytest

from tests.admin.conftest import ADA, REASON, outcome
from tests.client import PASSWORD
from tests.mail_links import token_of

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
