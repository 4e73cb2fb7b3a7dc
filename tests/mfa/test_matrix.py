"""Every way to log in, with every set of factors, under every policy: is a session opened?

A test fails if a login method or factor plugin has no entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.core import clock, plugins
from gatehouse.database.session import db, write_transaction
from gatehouse.tokens import keys
from models import Session
from models import User as Account
from tests.client import Client, User
from tests.conftest import environment, running
from tests.federation.openid_provider import SECRET, OpenIdProvider, running_provider
from tests.mail_links import read_mail, token_of
from tests.mfa.authenticator import Authenticator
from tests.mfa.conftest import Browser
from tests.mfa.passkey_sign_up import PasskeyApplicant
from tests.rows import rows
from tests.user_accounts import create_user

FACTORS = plugins.list_names("gatehouse.mfa.factors")
SECOND_FACTORS = [kind for kind in FACTORS if kind != "recovery_codes"]
"""Recovery codes come with the first other factor; alone they are no second factor."""
REJECTED, AUTHENTICATED, MFA = "refused", "authenticated", "mfa_required"
ENROLMENT, NO_SESSION = "mfa_enrolment_required", "done without a session"
TOKENS = {"access_token", "refresh_token"}
PROVIDERS = """
[acme]
kind = "oidc"
issuer = "{issuer}"
client_id = "gatehouse"
native_client_ids = ["app"]
trusted_email_domains = ["example.com"]
"""
OVERDUE = {"GATEHOUSE_MFA": "required", "GATEHOUSE_MFA_GRACE_PERIOD": "0"}
"""Settings without a grace period for enrolment with the first factor only."""


@dataclass
class Service:
    """The service with one policy, on the database that all policies share."""

    app: Flask
    network: int = 0

    @property
    def client(self) -> Client:
        """A client in the current user's own network: SMS are limited per network."""
        return Client(self._connect)

    def _connect(self) -> Any:
        connection = self.app.test_client()
        connection.environ_base["REMOTE_ADDR"] = f"10.{self.network}.0.1"
        return connection


@dataclass
class Person:
    """A user with a verified phone number, and perhaps factors and a trusted device."""

    user: User
    id: Any
    phone: str
    authenticator: Authenticator = field(default_factory=Authenticator)
    provider: OpenIdProvider = field(default_factory=OpenIdProvider)
    """With which the user has an account, too."""
    device: dict[str, str] = field(default_factory=dict)
    """The header that identifies the trusted device."""


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def services(
    sqlite_store: Any, provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Service]]:
    """Run the service with each policy, all on one database."""
    declared = tmp_path_factory.mktemp("providers") / "providers.toml"
    declared.write_text(PROVIDERS.format(issuer=provider.issuer))
    settings = {
        "GATEHOUSE_FACTORS": ",".join(FACTORS),
        "GATEHOUSE_PROVIDERS": str(declared),
        "GATEHOUSE_PROVIDER_SECRETS": f"acme={SECRET}",
        "GATEHOUSE_EGRESS_ALLOWLIST": "127.0.0.0/8",
    }
    with sqlite_store.fresh() as url:
        common = environment(url) | settings
        with running(common) as optional, running(common | {"GATEHOUSE_MFA": "required"}) as strict:
            with running(common | OVERDUE) as overdue, optional.app_context():
                with write_transaction():
                    keys.ensure_keys()
                db.session.commit()
            apps = {"optional": optional, "required": strict, "overdue": overdue}
            yield {policy: Service(app) for policy, app in apps.items()}


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(10, 100))


@pytest.fixture
def make_person(
    services: dict[str, Service], provider: OpenIdProvider, numbers: Iterator[int]
) -> Callable[[], Person]:
    """Return a function that makes a signed-in user with a verified phone number."""
    optional = services["optional"]

    def make() -> Person:
        number = next(numbers)
        for service in services.values():
            service.network = number
        phone = f"+491511234{number}00"
        user = create_user(optional.app, User(f"person{number}@example.com"), phone=phone)
        with optional.app.app_context(), write_transaction():
            account = db.session.query(Account).filter_by(email=user.email).one()
            account.phone_verified_at = clock.now()
            db.session.commit()
        optional.client.log_in(user)
        return Person(user, account.id, phone, provider=provider)

    return make


# How each kind of factor is enrolled


def enrol_totp(client: Client, person: Person) -> None:
    client.enrol_totp(person.user)


def enrol_passkey(client: Client, person: Person) -> None:
    response = Browser(client, person.authenticator, person.user).register()
    assert response.status_code == 201, response.text
    person.user.recovery_codes = response.json.get("recovery_codes") or person.user.recovery_codes


def enrol_code(kind: str, recipient: Callable[[Person], str]) -> Callable[[Client, Person], None]:
    """Return a function that enrols a factor whose code is sent to a recipient."""

    def enrol(client: Client, person: Person) -> None:
        signed_in = client.as_(person.user.tokens)
        started = signed_in.post("/auth/mfa/factors", {"kind": kind})
        assert started.status_code == 201, started.text
        code = read_mail(client, recipient(person))["code"]
        confirmed = signed_in.post(
            f"/auth/mfa/factors/{started.json['id']}/confirm", {"code": code}
        )
        assert confirmed.status_code == 200, confirmed.text
        codes = confirmed.json.get("recovery_codes")
        person.user.recovery_codes = codes or person.user.recovery_codes

    return enrol


ENROL: dict[str, Callable[[Client, Person], None]] = {
    "totp": enrol_totp,
    "passkey": enrol_passkey,
    "email": enrol_code("email", lambda person: person.user.email),
    "sms": enrol_code("sms", lambda person: person.phone),
}


def test_matrix_has_every_factor_plugin():
    assert set(SECOND_FACTORS) <= ENROL.keys()


# States


@dataclass(frozen=True)
class State:
    """The factors of a user: confirmed kinds, perhaps an unconfirmed one, or a trusted device."""

    name: str
    kinds: tuple[str, ...] = ()
    unconfirmed: bool = False
    trusted_device: bool = False


STATES = [
    State("none"),
    State("unconfirmed", unconfirmed=True),
    *(State(f"one {kind}", (kind,)) for kind in SECOND_FACTORS),
    State("several", tuple(SECOND_FACTORS)),
    State("trusted device", ("totp",), trusted_device=True),
]


def set_up(state: State, client: Client, person: Person) -> None:
    if state.unconfirmed:
        started = client.as_(person.user.tokens).post("/auth/mfa/factors", {"kind": "totp"})
        assert started.status_code == 201
    for kind in state.kinds:
        ENROL[kind](client, person)
        person.user.tokens = client.renew(person.user.tokens)
    if state.trusted_device:
        tokens = client.complete_mfa(person.user, client.log_in(person.user), remember_device=True)
        person.device = {"X-Device-Token": tokens["device_token"]}


# Ways to log in: each returns the response that could open a session


def by_password(client: Client, person: Person) -> TestResponse:
    form = {"identifier": person.user.email, "password": person.user.password}
    return client.post("/auth/login", form, headers=person.device)


def by_message(
    client: Client, person: Person, identifier: dict[str, str], field: str
) -> TestResponse:
    [recipient] = identifier.values()
    requested = client.post("/auth/login/link", identifier)
    message = read_mail(client, recipient)
    secret = token_of(message["link"]) if field == "token" else message["code"]
    form = {"login_token": requested.json["login_token"], field: secret}
    return client.post("/auth/login/link/verify", form, headers=person.device)


def by_link(client: Client, person: Person) -> TestResponse:
    return by_message(client, person, {"email": person.user.email}, "token")


def by_email_code(client: Client, person: Person) -> TestResponse:
    return by_message(client, person, {"email": person.user.email}, "code")


def by_sms_code(client: Client, person: Person) -> TestResponse:
    return by_message(client, person, {"phone": person.phone}, "code")


def by_passkey(client: Client, person: Person) -> TestResponse:
    """Use the user's authenticator, whether its passkey is registered or not."""
    person.authenticator.user_handle = person.authenticator.user_handle or "bm9ib2R5"
    return Browser(client, person.authenticator, person.user).sign_in()


def by_provider(client: Client, person: Person) -> TestResponse:
    """Sign in as an app does; the provider knows the address that the user has here."""
    nonce = client.post("/auth/federation/acme/nonce").json["nonce"]
    claims = {"sub": str(person.id), "email": person.user.email, "email_verified": True}
    form = {"id_token": person.provider.id_token(**claims, aud="app", nonce=nonce)}
    return client.post("/auth/federation/acme/token", form, headers=person.device)


def by_email_verification(client: Client, person: Person) -> TestResponse:
    new = f"new-{person.user.email}"
    requested = client.as_(person.user.tokens).post("/auth/email/change", {"email": new})
    assert requested.status_code == 202, requested.text
    code = read_mail(client, new)["code"]
    form = {"email": new, "code": code, "password": person.user.password}
    response = client.post("/auth/email/verify", form, headers=person.device)
    person.user.email = new
    return response


def by_registration(client: Client, person: Person) -> TestResponse:
    return client.register(person.user.email)


def by_passkey_sign_up(client: Client, person: Person) -> TestResponse:
    return PasskeyApplicant(client, person.user.email).register()


def by_password_reset(client: Client, person: Person) -> TestResponse:
    client.post("/auth/password/forgot", {"email": person.user.email})
    person.user.password = "another long phrase instead"
    form = {"token": token_of(read_mail(client, person.user.email)["link"])}
    form["password"] = person.user.password
    return client.post("/auth/password/reset", form, headers=person.device)


def by_mfa_recovery(client: Client, person: Person) -> TestResponse:
    """Use code and password; without a second factor no code is sent."""
    requested = client.post("/auth/mfa/recovery", {"email": person.user.email}).json
    mails = [
        mail for mail in client.mailbox(person.user.email) if mail["template"] == "mfa_recovery"
    ]
    code = mails[0]["variables"]["code"] if mails else "00000000"
    form = {"recovery_token": requested["recovery_token"], "code": code}
    form["password"] = person.user.password
    return client.post("/auth/mfa/recovery/verify", form, headers=person.device)


def by_both_steps(client: Client, person: Person) -> TestResponse:
    challenge = by_password(client, person).json
    form = {"mfa_token": challenge["mfa_token"], "factor": "recovery_codes"}
    return client.post("/auth/login/mfa", form | {"code": person.user.recovery_codes[0]})


LOGINS: dict[str, dict[str, Callable[[Client, Person], TestResponse]]] = {
    "password": {"password": by_password},
    "link": {"link": by_link, "e-mail code": by_email_code, "SMS code": by_sms_code},
    "passkey": {"passkey": by_passkey},
    "federated": {"provider": by_provider},
}
"""By the name of the login method."""
OTHER_WAYS = {
    "MFA recovery": by_mfa_recovery,
    "e-mail verification": by_email_verification,
    "registration with a known e-mail address": by_registration,
    "passkey sign-up with a known e-mail address": by_passkey_sign_up,
    "password reset": by_password_reset,
    "password after a reset": by_password,
}
"""Used after the logins, in this order: flows on the account that open no session."""
WAYS = {name: way for ways in LOGINS.values() for name, way in ways.items()} | OTHER_WAYS


def test_matrix_has_every_login_method():
    assert set(plugins.list_names("gatehouse.login.methods")) == LOGINS.keys()


# The rule, and the test of it


def expected_outcome(way: str, state: State, policy: str) -> str:
    """Return the outcome that the policy requires."""
    if way == "MFA recovery" and not state.kinds:
        return REJECTED
    if way in OTHER_WAYS and way != "password after a reset":
        return NO_SESSION
    if way == "passkey":
        return AUTHENTICATED if "passkey" in state.kinds else REJECTED
    if state.kinds:
        return AUTHENTICATED if state.trusted_device and way != "password after a reset" else MFA
    if policy == "overdue":  # needs the mailbox as second factor, unless it was the first
        return REJECTED if way in ("link", "e-mail code") else MFA
    return ENROLMENT if policy == "required" else AUTHENTICATED


def log_in_by(service: Service, person: Person, way: Callable[..., TestResponse]) -> str:
    """Log in; return the outcome, having checked that response and session rows agree."""
    before = rows(service.app, Session, user_id=person.id)

    response = way(service.client, person)

    opened = len(rows(service.app, Session, user_id=person.id)) - len(before)
    body = response.json if response.data else {}
    cookies = [text for text in response.headers.getlist("Set-Cookie") if "access=" in text]
    has_tokens = bool(cookies) or bool(TOKENS & body.keys())
    is_authenticated = body.get("status") == AUTHENTICATED
    assert opened == has_tokens == is_authenticated, (response.text, opened)
    if response.status_code == 401 or body.get("code") == "mfa_enrolment_overdue":
        return REJECTED
    assert response.status_code < 300, response.text
    status = body.get("status")
    return str(status) if status in (AUTHENTICATED, MFA, ENROLMENT) else NO_SESSION


@pytest.mark.requirement("MF-01")
@pytest.mark.requirement("RG-01")
@pytest.mark.requirement("RG-03")
@pytest.mark.parametrize("policy", ["optional", "required", "overdue"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_login_opens_a_session_if_and_only_if_the_policy_allows_it(
    services, make_person, state, policy
):
    person = make_person()
    set_up(state, services["optional"].client, person)

    outcomes = {name: log_in_by(services[policy], person, way) for name, way in WAYS.items()}

    assert outcomes == {name: expected_outcome(name, state, policy) for name in WAYS}
    if state.kinds:  # a user with a factor can complete the login
        assert log_in_by(services[policy], person, by_both_steps) == AUTHENTICATED
