"""A database of an old version works after the upgrade, and after its encryption key is replaced.

`fixtures/<version>` has a database that the code of that version wrote, and what its users know:
`make_upgrade_fixture.py` made both. What they know is used by HTTP only, so that this test holds
whatever tables, columns and modules are called today.
"""

import base64
import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import flask_migrate
import pyotp
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask.testing import FlaskClient

from gatehouse.core.crypto_labels import IDEMPOTENT_ENDPOINTS
from tests.child_processes import PythonProcess
from tests.conftest import environment, running
from tests.mail_server import run_mail_server
from tests.mfa.authenticator import Authenticator
from tests.migrations.test_edited_0003 import NOT_YET_IN

FIXTURES = Path(__file__).parent / "fixtures"
NEW_PASSWORD = "another long phrase instead"
STRANGER = "198.51.100.1"
NEW_KEY = f"new:{base64.b64encode(bytes(range(224, 256))).decode()}"
WORKER = """
import sys
import time_machine
from flask.cli import main
time_machine.travel(float(sys.argv[1])).start()
sys.argv = ["flask", "worker"]
main()
"""
"""`flask worker` at another time."""


# Loading


@dataclass
class Fixture:
    """The database of a version, and what its users know."""

    version: str

    def __post_init__(self):
        about = json.loads((FIXTURES / self.version / "secrets.json").read_text())
        self.revision, self.keys, self.known = about["revision"], about["keys"], about["known"]
        self.moment = datetime.fromisoformat(about["moment"])

    def write_to(self, file):
        """Write the SQLite database as it was."""
        with closing(sqlite3.connect(file)) as database:
            database.executescript((FIXTURES / self.version / "database.sql").read_text())


def write_to_postgresql(fixture, url, file):
    """Give an empty PostgreSQL database the schema of the fixture and the rows of a SQLite file."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as database:
        database.exec_driver_sql("DROP SCHEMA public CASCADE")
        database.exec_driver_sql("CREATE SCHEMA public")
    with running(environment(url)) as app, app.app_context():
        flask_migrate.upgrade(revision=fixture.revision)
    tables = sa.MetaData()
    with engine.begin() as database, closing(sqlite3.connect(file)) as rows:
        for statement in (s for change in NOT_YET_IN.get(fixture.version, ()) for s in change):
            database.exec_driver_sql(statement)
        tables.reflect(database)
        for table in reversed(tables.sorted_tables):  # the migrations have made roles
            database.execute(table.delete())
        for table in tables.sorted_tables:
            if found := rows_of(rows, table):
                database.execute(table.insert(), found)
            advance_sequences(database, table)


def rows_of(file, table):
    """Return the rows of a table of SQLite with the types that PostgreSQL has for its columns."""
    found = file.execute(f"SELECT * FROM {table.name}")
    names = [name for name, *_ in found.description]
    assert set(names) == set(table.columns.keys()), table.name
    return [
        {
            name: typed(table.columns[name].type, value)
            for name, value in zip(names, row, strict=True)
        }
        for row in found
    ]


def typed(kind, value):
    """Return a value of SQLite as the type of a column of PostgreSQL wants it."""
    if value is None:
        return None
    if isinstance(kind, sa.Uuid):
        return UUID(value)
    if isinstance(kind, sa.DateTime):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    if isinstance(kind, sa.JSON):
        return json.loads(value)
    return bool(value) if isinstance(kind, sa.Boolean) else value


def advance_sequences(database, table):
    """Let numbers that the database gives go on after those of the rows."""
    for column in table.columns:
        name = sa.func.pg_get_serial_sequence(table.name, column.name)
        if sequence := database.scalar(sa.select(name)):
            last = database.scalar(sa.select(sa.func.max(column)))
            if last is not None:
                database.execute(sa.select(sa.func.setval(sequence, last)))


# Using what the users know


@dataclass
class Service:
    """The application of today with an old database; every request must be answered as expected."""

    client: FlaskClient
    environment: dict[str, str]
    clock: Any
    output: Path

    @property
    def has_old_key(self):
        """Whether the encryption key of the old version is still in the ring."""
        return "old:" in self.environment["GATEHOUSE_ENCRYPTION_KEYS"]

    def send(self, path, form=None, status=200, method="POST", bearer=None, device=None, **request):
        """Send JSON; return the JSON of the answer, which must have this status."""
        headers = request.pop("headers", {})
        headers |= {"Authorization": f"Bearer {bearer['access_token']}"} if bearer else {}
        headers |= {"X-Device-Token": device} if device else {}
        answer = self.client.open(path, method=method, json=form, headers=headers, **request)
        assert answer.status_code == status, f"{path}: {answer.status} {answer.text}"
        return answer.json if answer.data else {}

    def get(self, path, **request):
        """GET JSON."""
        return self.send(path, method="GET", **request)

    def code(self, recipient):
        """Return the newest code that was sent to an e-mail address or number."""
        about = {"query_string": {"to": recipient}, "headers": {"Accept": "application/json"}}
        found = self.get("/dev/mailbox", **about)["items"]
        return next(str(m["variables"]["code"]) for m in found if "code" in m["variables"])

    def log_in(self, known, status=200, **more):
        """Log in with the password."""
        form = {"identifier": known["email"], "password": known["password"]}
        return self.send("/auth/login", form, status, **more)

    def logs_in(self, known, **more):
        """Log in with the password alone, and see whose account it is."""
        tokens = self.log_in(known, **more)
        assert tokens["status"] == "authenticated"
        self.belongs(tokens, known)
        return tokens

    def belongs(self, tokens, known):
        """See whose access token it is."""
        me = self.get("/auth/me", bearer=tokens)
        assert me["email"] == known["email"]
        return me

    def question(self, known, **more):
        """Log in with the password of an account that has a second factor."""
        asked = self.log_in(known, **more)
        assert asked["status"] == "mfa_required"
        return asked

    def complete_mfa(self, known, asked, factor, code):
        """Finish a login with a code."""
        form = {"mfa_token": asked["mfa_token"], "factor": factor, "code": code}
        tokens = self.send("/auth/login/mfa", form)
        self.belongs(tokens, known)
        return tokens

    def logs_in_with_totp(self, known):
        """Log in with the password and a code of the authenticator app that was not used yet."""
        self.clock.shift(timedelta(seconds=30))
        return self.complete_mfa(known, self.question(known), "totp", totp(known))

    def logs_in_with_sent_code(self, known, factor, recipient):
        """Log in with the password and a code that is sent."""
        asked = self.question(known)
        [offered] = [one for one in asked["factors"] if one["kind"] == factor]
        form = {"mfa_token": asked["mfa_token"], "factor_id": offered["id"]}
        self.send("/auth/login/mfa/challenge", form)
        return self.complete_mfa(known, asked, factor, self.code(recipient))

    def logs_in_with_passkey(self, known, asked=None):
        """Log in with the passkey alone."""
        asked = asked or self.send("/auth/passkeys/authentication/options")
        credential = authenticator(known).get(asked["public_key"])
        form = {"login_token": asked["login_token"], "credential": credential}
        tokens = self.send("/auth/passkeys/authentication/verify", form)
        self.belongs(tokens, known)
        return tokens


def totp(known):
    """Return what the authenticator app shows now."""
    return pyotp.TOTP(known["totp_secret"]).at(int(time.time()))


def authenticator(known):
    """Return the authenticator of the fixture."""
    about = known["passkey"]
    key = load_pem_private_key(about["key"].encode(), None)
    credential_id = bytes.fromhex(about["credential_id"])
    return Authenticator(key=key, credential_id=credential_id, user_handle=about["user_handle"])


def password(service, known):
    """The password works with the e-mail address and the username."""
    tokens = service.logs_in(known)
    assert service.belongs(tokens, known)["name"] == "Ada Lovelace"
    form = {"identifier": known["username"], "password": known["password"]}
    service.belongs(service.send("/auth/login", form), known)
    service.log_in(known | {"password": "not the password at all"}, 401)


def argon2(service, known):
    """A password that was hashed with Argon2 works, before and after it is hashed with bcrypt."""
    service.logs_in(known)
    service.logs_in(known)


def session(service, known):
    """The access token is valid, the refresh token yields new ones, and the session can end."""
    service.belongs(known, known)
    [listed] = service.get("/auth/sessions", bearer=known)["items"]
    renewed = service.send("/auth/refresh", {"refresh_token": known["refresh_token"]})
    service.belongs(renewed, known)
    service.send(f"/auth/sessions/{listed['id']}", None, 204, "DELETE", renewed)
    service.send("/auth/refresh", {"refresh_token": renewed["refresh_token"]}, 401)


def cookie_session(service, known):
    """The cookies of a browser are valid, and so is the CSRF token."""
    cookies = known["cookies"]
    csrf = next(value for name, value in cookies.items() if "csrf" in name)
    sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    assert service.get("/auth/me", headers=dict(sent))["email"] == known["email"]
    assert service.get("/auth/csrf", headers=dict(sent))["csrf_token"] == csrf
    service.send("/auth/refresh", headers=sent | {"X-CSRF-Token": csrf})


def registration_code(service, known):
    """A pending registration is confirmed with the code of its mail."""
    form = {"email": known["email"], "code": known["code"]}
    service.send("/auth/email/verify", form)
    service.logs_in(known)


def registration_link(service, known):
    """A pending registration is confirmed with the link of its mail and the password."""
    form = {"token": known["token"], "password": known["password"]}
    service.send("/auth/email/verify", form)
    service.logs_in(known)


def invitation(service, known):
    """An invitation is accepted, and the roles are those of the invitation."""
    form = {"token": known["token"], "password": known["password"]}
    service.send("/auth/invitation", form, 204)
    tokens = service.logs_in(known)
    assert service.belongs(tokens, known)["roles"] == ["admin", "user"]


def locked(service, known):
    """Unknown devices stay locked out; the known device logs in."""
    service.log_in(known, 429, environ_overrides={"REMOTE_ADDR": STRANGER})
    tokens = service.logs_in(known, device=known["device_token"])
    assert tokens["device_token"] == known["device_token"]


def waiting(service, known):
    """A network that had to wait still has to; the known device logs in from there."""
    there = {"environ_overrides": {"REMOTE_ADDR": known["address"]}}
    service.log_in(known, 429, **there)
    service.logs_in(known)
    service.log_in(known, 429, **there)
    service.logs_in(known, device=known["device_token"], **there)


def totp_factor(service, known):
    """A code of the authenticator app and a recovery code work, each once."""
    service.logs_in_with_totp(known)
    recovery_code = known["recovery_codes"][0]
    service.complete_mfa(known, service.question(known), "recovery_codes", recovery_code)
    asked = service.question(known)
    for factor, code in (("recovery_codes", recovery_code), ("totp", totp(known))):
        form = {"mfa_token": asked["mfa_token"], "factor": factor, "code": code}
        service.send("/auth/login/mfa", form, 401)


def totp_unconfirmed(service, known):
    """An authenticator app that was being set up is confirmed."""
    path = f"/auth/mfa/factors/{known['factor_id']}/confirm"
    service.send(path, {"code": totp(known)}, bearer=known)
    service.logs_in_with_totp(known)


def remembered_device(service, known):
    """No second factor is asked on the remembered device, and it is asked on others."""
    service.logs_in(known, device=known["device_token"])
    service.logs_in_with_totp(known)


def second_step(service, known):
    """A login that waited for its second factor is finished."""
    service.complete_mfa(known, known, "totp", totp(known))


def sms(service, known):
    """A code by SMS is the second factor, and the phone number identifies the user."""
    by_number = known | {"email": known["phone"]}
    assert service.log_in(by_number)["status"] == "mfa_required"
    service.logs_in_with_sent_code(known, "sms", known["phone"])


def email(service, known):
    """A code by mail is the second factor."""
    service.logs_in_with_sent_code(known, "email", known["email"])


def phone_code(service, known):
    """The code of an SMS verifies a phone number."""
    form = {"phone": known["phone"], "code": known["code"]}
    service.send("/auth/phone/verify", form, bearer=known)
    me = service.belongs(service.logs_in(known), known)
    assert (me["phone"], me["phone_verified"]) == (known["phone"], True)


def passkey(service, known):
    """A passkey logs in: by options from before the upgrade, by new ones, as second factor.

    The next passkey of the user gets the same user handle.
    """
    service.logs_in_with_passkey(known, known["waiting"])
    service.logs_in_with_passkey(known)
    asked = service.question(known)
    [offered] = [one for one in asked["factors"] if one["kind"] == "passkey"]
    form = {"mfa_token": asked["mfa_token"], "factor_id": offered["id"]}
    options = service.send("/auth/login/mfa/challenge", form)["public_key"]
    form["credential"] = authenticator(known).get(options)
    tokens = service.send("/auth/login/mfa", form)
    service.belongs(tokens, known)
    options = service.send("/auth/passkeys/registration/options", bearer=tokens)["public_key"]
    assert options["user"]["id"] == known["passkey"]["user_handle"]


def passkey_only(service, known):
    """A user without a password logs in with the passkey."""
    service.logs_in_with_passkey(known)


def passkey_registration(service, known):
    """A pending registration with a passkey is confirmed."""
    form = {name: known[name] for name in ("email", "code", "registration_token")}
    service.send("/auth/email/verify", form)
    service.logs_in_with_passkey(known)


def reset_link(service, known):
    """An open link resets the password, once."""
    form = {"token": known["token"], "password": NEW_PASSWORD}
    service.send("/auth/password/reset", form, 204)
    service.send("/auth/password/reset", form, 401)
    service.logs_in(known | {"password": NEW_PASSWORD})


def email_change(service, known):
    """The code of a mail changes the e-mail address."""
    form = {"email": known["new_email"], "code": known["code"]}
    service.send("/auth/email/verify", form)
    service.logs_in(known | {"email": known["new_email"]})


def email_undo(service, known):
    """The link in the mail to the old address reverts a change of the e-mail address."""
    service.logs_in(known | {"email": known["new_email"]})
    service.send("/auth/email/undo", {"token": known["token"]}, 204)
    service.log_in(known | {"email": known["new_email"]}, 401)


def login_link(service, known):
    """The link of a mail logs in where it was requested."""
    form = {"login_token": known["login_token"], "token": known["token"]}
    service.belongs(service.send("/auth/login/link/verify", form), known)


def repeated_request(service, known):
    """A request that is sent again is answered as before, as long as its encryption key is there.

    Answers are kept for a day, and no new key encrypts them.
    """
    again = {"headers": dict(known["headers"])}
    if service.has_old_key:
        assert service.send("/auth/login/link", known["form"], 202, **again) == known["answer"]
    else:
        service.send("/auth/login/link", known["form"], 422, **again)


def mfa_recovery(service, known):
    """The code of a mail and the password announce that the second factors will be removed."""
    form = {name: known[name] for name in ("recovery_token", "code", "password")}
    assert service.send("/auth/mfa/recovery/verify", form)["status"] == "announced"


def mfa_reset(service, known):
    """An announced removal of second factors is stopped by the link in its mail."""
    service.send("/auth/mfa/reset/cancel", {"token": known["token"]}, 204)
    service.logs_in_with_totp(known)


def unsent_mail(service, known):
    """The worker sends the mail that was waiting, as it was written, and no other one."""
    with run_mail_server() as server:
        smtp = {"SMTP_URL": f"insecure-smtp://127.0.0.1:{server.port}"}
        environ = {"PATH": os.environ["PATH"], **service.environment, **smtp}
        worker = PythonProcess(["-c", WORKER, str(time.time())], environ, service.output)
        deadline = time.monotonic() + 60
        while not server.handler.received and time.monotonic() < deadline:
            time.sleep(0.02)
        worker.terminate()
        worker.wait(15)
    assert server.handler.received, service.output.read_text()
    [received] = server.handler.received
    assert received.recipients == [known["to"]]
    assert received.mail["Subject"] == known["subject"]
    text = received.mail.get_body(["plain"]).get_content()
    assert text.split() == known["text"].split()


CHECKS: dict[str, Callable[[Service, dict[str, Any]], None]] = {
    check.__name__: check
    for check in (
        *(unsent_mail, waiting, locked, second_step, totp_unconfirmed, password, argon2, session),
        *(cookie_session, registration_code, registration_link, invitation, remembered_device, sms),
        *(email, phone_code, passkey, passkey_only, passkey_registration, reset_link, email_change),
        *(email_undo, login_link, repeated_request, mfa_recovery, mfa_reset),
    )
} | {"totp": totp_factor}
"""By what the fixture calls it; first what must not wait, and the mail before there are others."""


# The upgrade


@pytest.fixture(params=sorted(path.name for path in FIXTURES.iterdir()))
def fixture(request, time_machine):
    """Each version, a minute after its database was last used."""
    found = Fixture(request.param)
    time_machine.move_to(found.moment + timedelta(minutes=1))
    return found


@pytest.fixture
def upgraded(fixture, store, tmp_path):
    """The environment of an application whose database has been brought to today's schema."""
    file = tmp_path / "database.db"
    fixture.write_to(file)
    url = f"sqlite:///{file}"
    if store.startswith("postgresql"):
        url = store
        write_to_postgresql(fixture, url, file)
    environ = environment(url) | fixture.keys
    with running(environ) as app, app.app_context():
        flask_migrate.upgrade()
    return environ


@pytest.fixture
def serve(fixture, time_machine, tmp_path):
    """Start the application: serve(environment)."""
    with ExitStack() as stack:

        def serve(environ):
            app = stack.enter_context(running(environ))
            client = app.test_client(use_cookies=False)
            return Service(client, environ, time_machine, tmp_path / "worker.log")

        yield serve


def use_all(service, fixture):
    """Use everything that the users of a fixture know."""
    for name, check in CHECKS.items():
        if name in fixture.known:
            try:
                check(service, fixture.known[name])
            except BaseException as failure:
                failure.add_note(f"{name} of {fixture.version}")
                raise


def replace_encryption_key(upgraded):
    """Encrypt everything with a new key; return the environment without the old one."""
    both = upgraded | {
        "GATEHOUSE_ENCRYPTION_KEYS": f"{NEW_KEY},{upgraded['GATEHOUSE_ENCRYPTION_KEYS']}"
    }
    with running(both) as app:
        done = app.test_cli_runner().invoke(args=["keys", "rotate-encryption"])
    assert done.exit_code == 0, done.output
    return both | {"GATEHOUSE_ENCRYPTION_KEYS": NEW_KEY}


def test_every_check_has_a_fixture():
    known = (Fixture(path.name).known for path in FIXTURES.iterdir())

    assert set().union(*known) == CHECKS.keys()


@pytest.mark.stores
def test_a_database_of_an_old_version_works_and_then_its_encryption_key_is_replaced(
    fixture, upgraded, serve
):
    service = serve(upgraded)
    use_all(service, fixture)

    service = serve(replace_encryption_key(upgraded))

    known = fixture.known
    tokens = service.logs_in(known["password"])
    service.send("/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    if "totp" in known:
        service.logs_in_with_totp(known["totp"])
        service.logs_in_with_passkey(known["passkey"])
        service.logs_in_with_sent_code(known["email"], "email", known["email"]["email"])


@pytest.mark.stores
def test_an_encryption_key_is_replaced_before_anything_of_an_old_version_is_used(
    fixture, upgraded, serve
):
    service = serve(replace_encryption_key(upgraded))

    use_all(service, fixture)


def test_idempotent_routes_keep_the_names_in_their_digests(app):
    views = app.view_functions.items()
    endpoints = {endpoint for endpoint, view in views if getattr(view, "idempotent", False)}

    labels = {IDEMPOTENT_ENDPOINTS.get(endpoint, endpoint) for endpoint in endpoints}

    assert labels >= set(IDEMPOTENT_ENDPOINTS.values())
    assert endpoints >= IDEMPOTENT_ENDPOINTS.keys()
