"""What follows a correct first factor: every method, factor, policy, trust and risk, as a table.

`tests/mfa/test_matrix.py` covers flows that are no logins, several factors, and the grace period.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count, product
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization import roles
from gatehouse.core import clock, crypto
from gatehouse.database.session import db, write_transaction
from gatehouse.devices import service as devices
from gatehouse.mfa import credential_store
from gatehouse.web.request_context import RequestContext
from models import Credential, Session
from models import User as Account
from tests.client import Client, User
from tests.login.risk_applications import apply_policy, with_policy
from tests.mail_links import read_mail, token_of
from tests.mfa.authenticator import Authenticator
from tests.mfa.conftest import Browser
from tests.rows import rows

HOME = "192.0.2.1"
POLICIES = ("optional", "required_for_roles", "required")
WAYS = ("password", "link by e-mail", "code by SMS", "passkey")
SESSION, REJECTED, ENROLMENT = "session", "rejected", "enrolment"

TABLE = """
                | password        | link by e-mail  | code by SMS     | passkey
no factor
  usual         | session         | session         | session         | rejected
  unusual       | email           | session         | email           | rejected
  MFA, usual    | enrolment       | enrolment       | enrolment       | rejected
  MFA, unusual  | email           | enrolment       | email           | rejected
only recovery codes
  usual         | session         | session         | session         | rejected
  unusual       | email           | session         | email           | rejected
  MFA, usual    | enrolment       | enrolment       | enrolment       | rejected
  MFA, unusual  | email           | enrolment       | email           | rejected
totp
  usual         | totp            | totp            | totp            | rejected
  unusual       | totp            | totp            | totp            | rejected
  MFA, usual    | totp            | totp            | totp            | rejected
  MFA, unusual  | totp            | totp            | totp            | rejected
  trusted       | session         | session         | session         | rejected
sms
  usual         | sms             | sms             | nothing         | rejected
  unusual       | sms             | sms             | nothing         | rejected
  MFA, usual    | sms             | sms             | nothing         | rejected
  MFA, unusual  | sms             | sms             | nothing         | rejected
  trusted       | session         | session         | session         | rejected
email
  usual         | email           | nothing         | email           | rejected
  unusual       | email           | nothing         | email           | rejected
  MFA, usual    | email           | nothing         | email           | rejected
  MFA, unusual  | email           | nothing         | email           | rejected
  trusted       | session         | session         | session         | rejected
passkey
  usual         | passkey         | passkey         | passkey         | session
  unusual       | passkey         | passkey         | passkey         | session
  MFA, usual    | passkey         | passkey         | passkey         | session
  MFA, unusual  | passkey         | passkey         | passkey         | session
  trusted       | session         | session         | session         | session
"""
"""The outcome, or the factors of the challenge. Usual: in the network of earlier logins.

Trusted: a usual login on a trusted device, whatever the policy; an unusual one there, and any
without a factor, are as on another device. MFA: the policy requires it of the user.
"""


def parse_table() -> dict[tuple[str, str], list[str]]:
    """Return the outcomes of the four ways by factor and circumstances."""
    found, state = {}, ""
    for line in TABLE.strip().splitlines()[1:]:
        name, *outcomes = (cell.strip() for cell in line.split("|"))
        state = state if outcomes else name
        if outcomes:
            found[state, name] = outcomes
    return found


EXPECTED = parse_table()
STATES = list(dict.fromkeys(state for state, _ in EXPECTED))


@dataclass
class Person:
    """A user, and the browser in which they log in."""

    app: Flask
    user: User
    id: UUID
    device: str
    """The token of a trusted device."""
    authenticator: Authenticator = field(default_factory=lambda: Authenticator())
    number: Any = field(default_factory=lambda: count(10))

    def client(self, address: str, device: str = "") -> Client:
        """Return a client at an IP address, perhaps on a device."""

        def connect() -> Any:
            connection = self.app.test_client()
            connection.environ_base["REMOTE_ADDR"] = address
            if device:
                connection.environ_base["HTTP_X_DEVICE_TOKEN"] = device
            return connection

        return Client(connect)

    def log_in(self, way: str, client: Client) -> TestResponse:
        """Send a correct first factor."""
        if way == "password":
            form = {"identifier": self.user.email, "password": self.user.password}
            return client.post("/auth/login", form)
        if way == "passkey":
            return Browser(client, self.authenticator, self.user).sign_in()
        sms = way == "code by SMS"
        identifier = {"phone": self._new_phone()} if sms else {"email": self.user.email}
        requested = client.post("/auth/login/link", identifier).json
        message = read_mail(client, *identifier.values())
        secret = {"code": message["code"]} if sms else {"token": token_of(message["link"])}
        form = {"login_token": requested["login_token"], **secret}
        return client.post("/auth/login/link/verify", form)

    def _new_phone(self) -> str:
        """Give the account a new verified number: the SMS to one number are limited."""
        phone = f"+4915112345{next(self.number):03}"
        with self.app.app_context(), write_transaction():
            db.session.get_one(Account, self.id).phone = phone
            db.session.commit()
        return phone


def add_factor(person: Person, kind: str, data: dict[str, Any]) -> None:
    """Store a confirmed factor."""
    with person.app.app_context(), write_transaction():
        row = Credential(id=crypto.new_id(), user_id=person.id, kind=kind, label=kind, counter=0)
        row.created_at = row.confirmed_at = clock.now()
        credential_store.save_data(row, data)
        db.session.add(row)
        db.session.commit()


def enrol(person: Person, state: str) -> None:
    """Give the user the factor of a state."""
    person.authenticator.user_handle = "bm9ib2R5"  # of a passkey that is not registered
    if state == "passkey":
        client = person.client(HOME)
        client.log_in(person.user)
        person.authenticator.user_handle = None
        assert Browser(client, person.authenticator, person.user).register().status_code == 201
    data = {
        "totp": {"secret": crypto.random_base32(20)},
        "sms": {"number": "+491511234599"},
        "email": {},
        "only recovery codes": {"unused": [], "used": []},
    }
    if state in data:
        add_factor(person, state.removeprefix("only ").replace(" ", "_"), data[state])


@pytest.fixture
def app(app, request, tmp_path):
    return apply_policy(app, request, tmp_path)


@pytest.fixture
def person(app: Flask, make_user: Callable[..., User]) -> Person:
    """An administrator who has logged in at home, on a device."""
    user = make_user(email="ada@example.com")
    context = RequestContext(HOME, "test", "test")
    with app.app_context(), write_transaction():
        account = db.session.query(Account).filter_by(email=user.email).one()
        account.phone_verified_at = clock.now()
        roles.assign_role(account.id, "admin")
        record(events.Login.SUCCEEDED, context, user_id=account.id)
        device = devices.register_login(account.id, context)
        db.session.commit()
    return Person(app, user, account.id, device)


def set_circumstances(person: Person, policy: str, trusted: bool) -> None:
    """Apply a policy, and trust the device or not."""
    settings = person.app.extensions["gatehouse.settings"]
    person.app.extensions["gatehouse.settings"] = replace(settings, mfa=policy)
    with person.app.app_context(), write_transaction():
        devices.forget_trust(person.id)
        if trusted:
            devices.trust_device(person.id, person.device)
        db.session.commit()


def outcome_of(response: TestResponse) -> str:
    """Return the outcome as the table names it; recovery codes go with each other factor."""
    if response.status_code == 401:
        return REJECTED
    assert response.status_code == 200, response.text
    body = response.json
    if body["status"] == "authenticated":
        return SESSION
    if body["status"] == "mfa_enrolment_required":
        return ENROLMENT
    kinds = [factor["kind"] for factor in body["factors"]]
    return " ".join(kind for kind in kinds if kind != "recovery_codes") or "nothing"


def expected_row(state: str, policy: str, trusted: bool, unusual: bool) -> list[str]:
    """Return the row of the table."""
    if trusted and not unusual and (state, "trusted") in EXPECTED:
        return EXPECTED[state, "trusted"]
    name = "unusual" if unusual else "usual"
    return EXPECTED[state, name if policy == "optional" else f"MFA, {name}"]


@pytest.mark.settings(GATEHOUSE_FACTORS="totp,passkey,sms,email,recovery_codes")
@with_policy('new_network = "ask_second_factor"')
@pytest.mark.parametrize("state", STATES)
def test_login_continues_as_policy_factor_trust_and_risk_require(app, person, wait, state):
    enrol(person, state)
    networks, differing = count(1), {}

    for policy, trusted, unusual in product(POLICIES, (False, True), (False, True)):
        wait(hours=2)  # the e-mails to one address are limited
        set_circumstances(person, policy, trusted)
        outcomes = []
        for way in WAYS:
            before = len(rows(app, Session))
            address = f"10.1.{next(networks)}.1" if unusual else HOME
            client = person.client(address, person.device if trusted else "")
            outcomes.append(outcome_of(person.log_in(way, client)))
            assert (len(rows(app, Session)) > before) == (outcomes[-1] == SESSION)
        if outcomes != (expected := expected_row(state, policy, trusted, unusual)):
            differing[policy, trusted, unusual] = (outcomes, expected)

    assert differing == {}
