"""Every factor on the shelf keeps the same promises."""

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

SHELF = "gatehouse.mfa.factors"
RECOVERY = "recovery_codes"
PIECES = plugins.names(SHELF)
STEP = "/auth/login/mfa"
WRONG = {"code": "not the code"}

each_piece = pytest.mark.parametrize("kind", PIECES)
each_set_up = pytest.mark.parametrize("kind", [kind for kind in PIECES if kind != RECOVERY])
"""Those that somebody sets up; recovery codes come with the first of them."""


@dataclass
class Person:
    """Somebody with a factor of a kind, and what they prove it with."""

    client: Client
    user: User
    kind: str
    authenticator: Authenticator
    factor: dict[str, Any]

    def confirmation(self) -> dict[str, Any]:
        """Return the first proof of the factor."""
        if self.kind == "passkey":
            made = self.authenticator.create(self.factor["public_key"])
            return {"credential": made}
        return {"code": self._code(-1)}

    def proof(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the right form of a second step, having asked for what it needs."""
        form = {"mfa_token": question["mfa_token"], "factor": self.kind}
        if self.kind == RECOVERY:
            return form | {"code": self.user.recovery_codes[0]}
        asked = otp.ask(self.client, question, self.factor).json
        if self.kind == "passkey":
            return form | {"credential": self.authenticator.get(asked["public_key"])}
        return form | {"code": self._code(0)}

    def wrong(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return a form of the same kind that proves nothing."""
        form = self.proof(question)
        if self.kind != "passkey":
            return form | WRONG
        other = Authenticator()
        options = otp.ask(self.client, question, self.factor).json["public_key"]
        other.create(self._fresh_options())
        return form | {"credential": other.get(options)}

    def _fresh_options(self) -> dict[str, Any]:
        options: dict[str, Any] = self.factor["public_key"]
        return options

    def _code(self, steps: int) -> str:
        if self.kind == "totp":
            return self.user.totp(steps)
        return otp.code_of(self.client, self.user, self.kind)


@pytest.fixture
def begin(client: Client, make_user: Callable[..., User]) -> Callable[[str], Person]:
    """Make somebody who has begun to set a factor up."""

    def make(kind: str) -> Person:
        user = make_user()
        begun = otp.begin(client, user, "totp" if kind == RECOVERY else kind)
        user.secret = begun.get("secret", "")
        return Person(client, user, "totp" if kind == RECOVERY else kind, Authenticator(), begun)

    return make


@pytest.fixture
def have(client: Client, begin: Callable[[str], Person]) -> Callable[[str], Person]:
    """Make somebody who has a factor."""

    def make(kind: str) -> Person:
        person = begin(kind)
        path = f"/auth/mfa/factors/{person.factor['id']}/confirm"
        answer = client.as_(person.user.tokens).post(path, person.confirmation())
        assert answer.status_code == 200, answer.text
        person.user.recovery_codes = answer.json["recovery_codes"]
        person.kind = kind
        return person

    return make


@each_piece
def test_a_piece_says_what_it_proves(kind):
    piece = plugins.load(SHELF, [kind])[kind]

    assert piece.amr
    assert all(isinstance(word, str) for word in piece.amr)
    assert isinstance(piece.strong, bool)


@each_piece
@pytest.mark.stores
@pytest.mark.requirement("MF-02")
@pytest.mark.requirement("MF-05")
def test_a_proof_works_once_also_when_posted_at_once(app, client, have, kind):
    person = have(kind)
    form = person.proof(client.log_in(person.user))
    before = len(rows(app, Session))

    answers = client.in_parallel(20, STEP, form)

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert len(rows(app, Session)) == before + 1
    assert client.post(STEP, form).status_code == 401


@each_piece
def test_a_proof_is_used_up_for_the_next_login_too(client, have, kind):
    person = have(kind)
    form = person.proof(client.log_in(person.user))
    first = client.post(STEP, form)
    question = client.log_in(person.user)

    answer = client.post(STEP, form | {"mfa_token": question["mfa_token"]})

    assert (first.status_code, answer.status_code) == (200, 401)


@each_piece
def test_a_wrong_proof_opens_nothing(app, client, have, kind):
    person = have(kind)
    before = len(rows(app, Session))

    answer = client.post(STEP, person.wrong(client.log_in(person.user)))

    assert (answer.status_code, answer.json["code"]) == (401, "invalid_code")
    assert len(rows(app, Session)) == before


@each_set_up
@pytest.mark.requirement("MF-04")
def test_what_is_not_confirmed_neither_counts_nor_is_accepted(client, begin, kind):
    person = begin(kind)
    mine = client.as_(person.user.tokens)

    answer = client.log_in(person.user)

    assert answer["status"] == "authenticated"
    assert mine.get("/auth/mfa/factors").json["items"] == []
    question = {"factor_id": person.factor["id"]}
    assert mine.post("/auth/reauthenticate/challenge", question).status_code == 404
    proof = person.confirmation() | {"factor_id": person.factor["id"]}
    assert mine.post("/auth/reauthenticate", proof).status_code == 401


@each_piece
@pytest.mark.requirement("MF-04")
def test_secrets_are_neither_shown_again_nor_logged(app, client, have, kind, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    person = have(kind)
    form = person.proof(client.log_in(person.user))
    tokens = client.post(STEP, form).json

    listed = client.as_(tokens).get("/auth/mfa/factors").text

    written = caplog.text + "".join(capfd.readouterr())
    secrets = [person.user.secret, *person.user.recovery_codes, form.get("code", "")]
    for secret in filter(None, secrets):
        assert secret not in listed
        assert secret not in written
        assert all(secret.encode() not in row.data for row in rows(app, Credential))


@each_set_up
@pytest.mark.requirement("MF-09")
def test_what_is_removed_is_not_asked_for_any_more(client, have, kind):
    person = have(kind)
    tokens = client.post(STEP, person.proof(client.log_in(person.user))).json
    mine = client.as_(tokens)

    removed = mine.delete(f"/auth/mfa/factors/{person.factor['id']}")

    assert removed.status_code == 204
    assert client.log_in(person.user)["status"] == "authenticated"
