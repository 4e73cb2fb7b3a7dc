"""Every way in x every state of factors x every policy: who gets a session, and who does not.

A new login method or kind of factor joins by being on its shelf: without an entry a test fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.core import clock, plugins
from gatehouse.database.session import db, writing
from gatehouse.tokens import keys
from models import Session
from models import User as Account
from tests.client import Client, User
from tests.conftest import environment, running
from tests.letters import letter, token_of
from tests.mfa.authenticator import Authenticator
from tests.mfa.conftest import Browser
from tests.mfa.passkey_sign_up import Newcomer
from tests.people import settle
from tests.rows import rows

FACTORS = plugins.names("gatehouse.mfa.factors")
COUNTING = [kind for kind in FACTORS if kind != "recovery_codes"]
"""Recovery codes come with the first other factor, and are none by themselves."""
REFUSED, IN, ASKED = "refused", "authenticated", "mfa_required"
MUST_ENROL, NO_SESSION = "mfa_enrolment_required", "done without a session"
TOKENS = {"access_token", "refresh_token"}
OVERDUE = {"GATEHOUSE_MFA": "required", "GATEHOUSE_MFA_GRACE": "0"}
"""Where it is too late to set a factor up with the first step alone."""


@dataclass
class Service:
    """One database, and the service on it with one policy."""

    app: Flask
    network: int = 0

    @property
    def client(self) -> Client:
        """A client from a network of its own for each person: texts are counted by network."""
        return Client(self.door)

    def door(self) -> Any:
        door = self.app.test_client()
        door.environ_base["REMOTE_ADDR"] = f"10.{self.network}.0.1"
        return door


@dataclass
class Person:
    """Somebody with an account, a proven number, and perhaps factors and a device."""

    user: User
    id: Any
    phone: str
    authenticator: Authenticator = field(default_factory=Authenticator)
    device: dict[str, str] = field(default_factory=dict)
    """The header of the device that is remembered."""


@pytest.fixture(scope="module")
def services(sqlite_store: Any) -> Iterator[dict[str, Service]]:
    """The same accounts under each policy."""
    chosen = {"GATEHOUSE_FACTORS": ",".join(FACTORS)}
    with sqlite_store.fresh() as url:
        common = environment(url) | chosen
        with running(common) as optional, running(common | {"GATEHOUSE_MFA": "required"}) as strict:
            with running(common | OVERDUE) as overdue, optional.app_context():
                with writing():
                    keys.ensure()
                db.session.commit()
            found = {"optional": optional, "required": strict, "overdue": overdue}
            yield {policy: Service(app) for policy, app in found.items()}


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(10, 100))


@pytest.fixture
def make_person(services: dict[str, Service], numbers: Iterator[int]) -> Callable[[], Person]:
    """Make somebody who is signed in, and has proved a number."""
    optional = services["optional"]

    def make() -> Person:
        number = next(numbers)
        for service in services.values():
            service.network = number
        phone = f"+491511234{number}00"
        user = settle(optional.app, User(f"person{number}@example.com"), phone=phone)
        with optional.app.app_context(), writing():
            account = db.session.query(Account).filter_by(email=user.email).one()
            account.phone_verified_at = clock.now()
            db.session.commit()
        optional.client.log_in(user)
        return Person(user, account.id, phone)

    return make


# Factors: how each kind is begun and confirmed


def enrol_totp(client: Client, person: Person) -> None:
    client.enrol_totp(person.user)


def enrol_passkey(client: Client, person: Person) -> None:
    answer = Browser(client, person.authenticator, person.user).register()
    assert answer.status_code == 201, answer.text
    person.user.recovery_codes = answer.json.get("recovery_codes") or person.user.recovery_codes


def enrol_code(kind: str, recipient: Callable[[Person], str]) -> Callable[[Client, Person], None]:
    """Return what sets a factor up whose code is sent."""

    def enrol(client: Client, person: Person) -> None:
        mine = client.as_(person.user.tokens)
        begun = mine.post("/auth/mfa/factors", {"kind": kind})
        assert begun.status_code == 201, begun.text
        code = letter(client, recipient(person))["code"]
        done = mine.post(f"/auth/mfa/factors/{begun.json['id']}/confirm", {"code": code})
        assert done.status_code == 200, done.text
        codes = done.json.get("recovery_codes")
        person.user.recovery_codes = codes or person.user.recovery_codes

    return enrol


ENROL: dict[str, Callable[[Client, Person], None]] = {
    "totp": enrol_totp,
    "passkey": enrol_passkey,
    "email": enrol_code("email", lambda person: person.user.email),
    "sms": enrol_code("sms", lambda person: person.phone),
}


def test_every_kind_of_factor_on_the_shelf_stands_in_the_matrix():
    assert set(COUNTING) <= ENROL.keys()


# States


@dataclass(frozen=True)
class State:
    """What somebody has: kinds that are confirmed, one that is not, a device that is remembered."""

    name: str
    kinds: tuple[str, ...] = ()
    pending: bool = False
    remembered: bool = False


STATES = [
    State("none"),
    State("pending", pending=True),
    *(State(f"one {kind}", (kind,)) for kind in COUNTING),
    State("several", tuple(COUNTING)),
    State("remembered", ("totp",), remembered=True),
]


def bring_about(state: State, client: Client, person: Person) -> None:
    if state.pending:
        begun = client.as_(person.user.tokens).post("/auth/mfa/factors", {"kind": "totp"})
        assert begun.status_code == 201
    for kind in state.kinds:
        ENROL[kind](client, person)
        person.user.tokens = client.renew(person.user.tokens)
    if state.remembered:
        tokens = client.second_step(person.user, client.log_in(person.user), remember_device=True)
        person.device = {"X-Device-Token": tokens["device_token"]}


# Ways in: each ends in the answer that could open a session


def by_password(client: Client, person: Person) -> TestResponse:
    form = {"identifier": person.user.email, "password": person.user.password}
    return client.post("/auth/login", form, headers=person.device)


def by_message(client: Client, person: Person, whom: dict[str, str], proof: str) -> TestResponse:
    [recipient] = whom.values()
    asked = client.post("/auth/login/link", whom)
    said = letter(client, recipient)
    secret = token_of(said["link"]) if proof == "token" else said["code"]
    form = {"login_token": asked.json["login_token"], proof: secret}
    return client.post("/auth/login/link/verify", form, headers=person.device)


def by_link(client: Client, person: Person) -> TestResponse:
    return by_message(client, person, {"email": person.user.email}, "token")


def by_mailed_code(client: Client, person: Person) -> TestResponse:
    return by_message(client, person, {"email": person.user.email}, "code")


def by_texted_code(client: Client, person: Person) -> TestResponse:
    return by_message(client, person, {"phone": person.phone}, "code")


def by_passkey(client: Client, person: Person) -> TestResponse:
    """With the authenticator that they have, whether or not it was ever registered."""
    person.authenticator.user_handle = person.authenticator.user_handle or "bm9ib2R5"
    return Browser(client, person.authenticator, person.user).sign_in()


def by_address_proof(client: Client, person: Person) -> TestResponse:
    new = f"new-{person.user.email}"
    asked = client.as_(person.user.tokens).post("/auth/email/change", {"email": new})
    assert asked.status_code == 202, asked.text
    code = letter(client, new)["code"]
    answer = client.post("/auth/email/verify", {"email": new, "code": code}, headers=person.device)
    person.user.email = new
    return answer


def by_registering_again(client: Client, person: Person) -> TestResponse:
    return client.register(person.user.email)


def by_registering_again_with_a_passkey(client: Client, person: Person) -> TestResponse:
    return Newcomer(client, person.user.email).register()


def by_reset(client: Client, person: Person) -> TestResponse:
    client.post("/auth/password/forgot", {"email": person.user.email})
    person.user.password = "another long phrase instead"
    form = {"token": token_of(letter(client, person.user.email)["link"])}
    form["password"] = person.user.password
    return client.post("/auth/password/reset", form, headers=person.device)


def by_saying_that_a_factor_is_lost(client: Client, person: Person) -> TestResponse:
    """With both proofs; who has nothing to lose gets no code."""
    asked = client.post("/auth/mfa/recovery", {"email": person.user.email}).json
    mails = [
        mail for mail in client.mailbox(person.user.email) if mail["template"] == "mfa_recovery"
    ]
    code = mails[0]["variables"]["code"] if mails else "00000000"
    form = {"recovery_token": asked["recovery_token"], "code": code}
    form["password"] = person.user.password
    return client.post("/auth/mfa/recovery/verify", form, headers=person.device)


def by_both_steps(client: Client, person: Person) -> TestResponse:
    asked = by_password(client, person).json
    form = {"mfa_token": asked["mfa_token"], "factor": "recovery_codes"}
    return client.post("/auth/login/mfa", form | {"code": person.user.recovery_codes[0]})


LOGINS: dict[str, dict[str, Callable[[Client, Person], TestResponse]]] = {
    "password": {"password": by_password},
    "link": {"link": by_link, "mailed code": by_mailed_code, "texted code": by_texted_code},
    "passkey": {"passkey": by_passkey},
}
"""By the method's name on the shelf."""
ROUNDABOUT = {
    "two proofs of a lost factor": by_saying_that_a_factor_is_lost,
    "proof of an address": by_address_proof,
    "registration of a known address": by_registering_again,
    "the same with a passkey": by_registering_again_with_a_passkey,
    "reset": by_reset,
    "password after a reset": by_password,
}
"""In this order, after the logins: what has to do with the account and opens no session itself."""
WAYS = {name: way for ways in LOGINS.values() for name, way in ways.items()} | ROUNDABOUT


def test_every_login_method_on_the_shelf_stands_in_the_matrix():
    assert set(plugins.names("gatehouse.login.methods")) == LOGINS.keys()


# The rule, and what happens


def ruled(way: str, state: State, policy: str) -> str:
    """Return what the policy says about a way in."""
    if way == "two proofs of a lost factor" and not state.kinds:
        return REFUSED
    if way in ROUNDABOUT and way != "password after a reset":
        return NO_SESSION
    if way == "passkey":
        return IN if "passkey" in state.kinds else REFUSED
    if state.kinds:
        return IN if state.remembered and way != "password after a reset" else ASKED
    if policy == "overdue":  # the mailbox comes first, and is no second thing where it was first
        return REFUSED if way in ("link", "mailed code") else ASKED
    return MUST_ENROL if policy == "required" else IN


def outcome(service: Service, person: Person, way: Callable[..., TestResponse]) -> str:
    """Go a way; return what came of it, by the answer and by the rows."""
    before = rows(service.app, Session, user_id=person.id)

    answer = way(service.client, person)

    opened = len(rows(service.app, Session, user_id=person.id)) - len(before)
    said = answer.json if answer.data else {}
    cookies = [text for text in answer.headers.getlist("Set-Cookie") if "access=" in text]
    handed = bool(cookies) or bool(TOKENS & said.keys())
    assert opened == handed == (said.get("status") == IN), (answer.text, opened)
    if answer.status_code == 401 or said.get("code") == "mfa_grace_over":
        return REFUSED
    assert answer.status_code < 300, answer.text
    return said["status"] if said.get("status") in (IN, ASKED, MUST_ENROL) else NO_SESSION


@pytest.mark.requirement("MF-01")
@pytest.mark.requirement("RG-01")
@pytest.mark.requirement("RG-03")
@pytest.mark.parametrize("policy", ["optional", "required", "overdue"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_session_is_opened_if_and_only_if_the_policy_says_so(
    services, make_person, state, policy
):
    person = make_person()
    bring_about(state, services["optional"].client, person)

    found = {name: outcome(services[policy], person, way) for name, way in WAYS.items()}

    assert found == {name: ruled(name, state, policy) for name in WAYS}
    if state.kinds:  # and whoever is asked gets in with what they have
        assert outcome(services[policy], person, by_both_steps) == IN
