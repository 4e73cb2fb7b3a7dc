"""The contract that every factor plugin fulfils."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gatehouse.core import plugins
from models import Credential, Session
from tests.client import Client, User
from tests.mfa import otp
from tests.mfa.authenticator import Authenticator
from tests.rows import rows

PACKAGE = "gatehouse.mfa.factors"
RECOVERY_CODES = "recovery_codes"
KINDS = plugins.list_names(PACKAGE)
STEP = "/auth/login/mfa"
WRONG = {"code": "not the code"}

each_kind = pytest.mark.parametrize("kind", KINDS)
each_enrollable_kind = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind != RECOVERY_CODES]
)
"""Recovery codes are not enrolled by themselves: they come with the first other factor."""


@dataclass
class FactorUser:
    """A user with a factor of one kind, and all that is needed to respond to its challenges."""

    client: Client
    user: User
    kind: str
    authenticator: Authenticator
    factor: dict[str, Any]

    def confirmation(self) -> dict[str, Any]:
        """Return the response that confirms the factor."""
        if self.kind == "passkey":
            return {"credential": self.authenticator.create(self.factor["public_key"])}
        return {"code": self._code(-1)}

    def correct_form(self, challenge: dict[str, Any]) -> dict[str, Any]:
        """Request the factor's challenge; return the form of a second step that succeeds."""
        form = {"mfa_token": challenge["mfa_token"], "factor": self.kind}
        if self.kind == RECOVERY_CODES:
            return form | {"code": self.user.recovery_codes[0]}
        options = otp.request_challenge(self.client, challenge, self.factor).json
        if self.kind == "passkey":
            return form | {"credential": self.authenticator.get(options["public_key"])}
        return form | {"code": self._code(0)}

    def wrong_form(self, challenge: dict[str, Any]) -> dict[str, Any]:
        """Return a form of the same shape with a wrong code, or of another authenticator."""
        form = self.correct_form(challenge)
        if self.kind != "passkey":
            return form | WRONG
        other = Authenticator()
        options = otp.request_challenge(self.client, challenge, self.factor).json["public_key"]
        other.create(self.factor["public_key"])
        return form | {"credential": other.get(options)}

    def _code(self, steps: int) -> str:
        if self.kind == "totp":
            return self.user.totp(steps)
        return otp.read_code(self.client, self.user, self.kind)


@pytest.fixture
def make_unconfirmed(client: Client, make_user: Callable[..., User]) -> Callable[[str], FactorUser]:
    """Return a function that makes a user with an unconfirmed factor of a kind."""

    def make(kind: str) -> FactorUser:
        user = make_user()
        kind = "totp" if kind == RECOVERY_CODES else kind
        factor = otp.start_enrolment(client, user, kind)
        user.secret = factor.get("secret", "")
        return FactorUser(client, user, kind, Authenticator(), factor)

    return make


@pytest.fixture
def make_enrolled(
    client: Client, make_unconfirmed: Callable[[str], FactorUser]
) -> Callable[[str], FactorUser]:
    """Return a function that makes a user with a confirmed factor of a kind."""

    def make(kind: str) -> FactorUser:
        owner = make_unconfirmed(kind)
        path = f"/auth/mfa/factors/{owner.factor['id']}/confirm"
        response = client.as_(owner.user.tokens).post(path, owner.confirmation())
        assert response.status_code == 200, response.text
        owner.user.recovery_codes = response.json["recovery_codes"]
        owner.kind = kind
        return owner

    return make


@each_kind
def test_factor_plugin_declares_its_amr_and_strength(kind):
    plugin = plugins.load(PACKAGE, [kind])[kind]

    assert plugin.amr
    assert all(isinstance(word, str) for word in plugin.amr)
    assert isinstance(plugin.strong, bool)


@each_kind
@pytest.mark.stores
@pytest.mark.requirement("MF-02")
@pytest.mark.requirement("MF-05")
def test_factor_response_works_once_in_twenty_parallel_requests(app, client, make_enrolled, kind):
    owner = make_enrolled(kind)
    form = owner.correct_form(client.log_in(owner.user))
    before = len(rows(app, Session))

    responses = client.in_parallel(20, STEP, form)

    assert sorted(response.status_code for response in responses) == [200] + [401] * 19
    assert len(rows(app, Session)) == before + 1
    assert client.post(STEP, form).status_code == 401


@each_kind
def test_factor_response_is_not_accepted_in_the_next_login(client, make_enrolled, kind):
    owner = make_enrolled(kind)
    form = owner.correct_form(client.log_in(owner.user))
    first = client.post(STEP, form)
    challenge = client.log_in(owner.user)

    response = client.post(STEP, form | {"mfa_token": challenge["mfa_token"]})

    assert (first.status_code, response.status_code) == (200, 401)


@each_kind
def test_factor_response_that_is_wrong_opens_no_session(app, client, make_enrolled, kind):
    owner = make_enrolled(kind)
    before = len(rows(app, Session))

    response = client.post(STEP, owner.wrong_form(client.log_in(owner.user)))

    assert (response.status_code, response.json["code"]) == (401, "invalid_code")
    assert len(rows(app, Session)) == before


@each_enrollable_kind
@pytest.mark.requirement("MF-04")
def test_factor_that_is_unconfirmed_is_neither_required_nor_accepted(
    client, make_unconfirmed, kind
):
    owner = make_unconfirmed(kind)
    signed_in = client.as_(owner.user.tokens)

    response = client.log_in(owner.user)

    assert response["status"] == "authenticated"
    assert signed_in.get("/auth/mfa/factors").json["items"] == []
    factor = {"factor_id": owner.factor["id"]}
    assert signed_in.post("/auth/reauthenticate/challenge", factor).status_code == 404
    form = owner.confirmation() | factor
    assert signed_in.post("/auth/reauthenticate", form).status_code == 401


@each_kind
@pytest.mark.requirement("MF-04")
def test_factor_secrets_are_neither_shown_again_nor_logged(
    app, client, make_enrolled, kind, caplog, capfd
):
    caplog.set_level(logging.DEBUG)
    owner = make_enrolled(kind)
    form = owner.correct_form(client.log_in(owner.user))
    tokens = client.post(STEP, form).json

    listed = client.as_(tokens).get("/auth/mfa/factors").text

    written = caplog.text + "".join(capfd.readouterr())
    secrets = [owner.user.secret, *owner.user.recovery_codes, form.get("code", "")]
    for secret in filter(None, secrets):
        assert secret not in listed
        assert secret not in written
        assert all(secret.encode() not in row.data for row in rows(app, Credential))


@each_enrollable_kind
@pytest.mark.requirement("MF-09")
def test_factor_that_is_removed_is_not_required_any_more(client, make_enrolled, kind):
    owner = make_enrolled(kind)
    tokens = client.post(STEP, owner.correct_form(client.log_in(owner.user))).json
    signed_in = client.as_(tokens)

    removed = signed_in.delete(f"/auth/mfa/factors/{owner.factor['id']}")

    assert removed.status_code == 204
    assert client.log_in(owner.user)["status"] == "authenticated"
