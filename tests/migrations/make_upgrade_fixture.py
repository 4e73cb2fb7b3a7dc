"""Build the database of an old version for `test_upgrades.py`, with that version's own code.

    git worktree add --detach ../old <commit>
    cd ../old
    PYTHONPATH=. <python> <this file> <name> <folder of the fixtures>

Run it in a checkout of the old commit, on a virtual environment that has its dependencies. It
writes `<name>/database.sql` and `<name>/secrets.json`: what the users of that database know, by
the name of the check in `upgrade_checks.py`. A landed fixture is not built again: it stands for the
databases that exist.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyotp
import time_machine
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app import create_app
from config import Settings

try:
    from gatehouse.cli.serve import prepare_database
    from gatehouse.database.session import db
except ImportError:  # the names before 0005
    from gatehouse.foundation.database import db

    from gatehouse.cli.serve import prepare as prepare_database

PASSWORD = "an unlikely phrase 42"
RENAMED = {"lost_factor": "mfa_recovery"}
"""Templates, by the names that they had before 0005."""
WRONG = "not the password at all"
BY_MIGRATION = ("0007", "0008", "0009", "0010", "0011", "0012", "0013", "0014", "0015")
"""Fixtures with the name of their last migration: each is of the last commit before the next."""
HISTORY = {
    "0.1.0": (datetime(2026, 11, 23, 12, tzinfo=UTC), "0001"),
    "47b6e92": (datetime(2026, 11, 24, 12, tzinfo=UTC), "0003"),
    "38c3233": (datetime(2026, 11, 27, 12, tzinfo=UTC), "0003"),
    **{name: (datetime(2026, 11, 30, 12, tzinfo=UTC), name) for name in BY_MIGRATION},
}
"""When the database of a version was in use, and its last migration."""


def key_ring(number: int) -> str:
    """Return a key ring of one fixed key; different numbers give different keys."""
    material = bytes(range(32 * number, 32 * number + 32))
    return f"old:{base64.b64encode(material).decode()}"


KEYS = {
    "GATEHOUSE_SECRET_KEYS": key_ring(3),
    "GATEHOUSE_ENCRYPTION_KEYS": key_ring(4),
    "GATEHOUSE_PASSWORD_PEPPERS": key_ring(5),
}


class Service:
    """The old application with its users; each method returns what a user knows afterwards."""

    def __init__(self, environment: dict[str, str], clock: time_machine.Coordinates) -> None:
        self._clock = clock
        self.app = create_app(Settings.from_environment(environment))
        argon2 = environment | {"GATEHOUSE_PASSWORD_HASHER": "argon2"}
        self._argon2 = create_app(Settings.from_environment(argon2))
        self._client = self.app.test_client(use_cookies=False)
        self.answer: Any = None

    def send(self, path: str, form: Any = None, status: int = 200, **request: Any) -> Any:
        """POST JSON; return the JSON of the answer, which must have this status."""
        client = request.pop("client", self._client)
        if bearer := request.pop("bearer", None):
            headers = {"Authorization": f"Bearer {bearer['access_token']}"}
            request["headers"] = request.get("headers", {}) | headers
        self.answer = client.open(path, method="POST", json=form, **request)
        if self.answer.status_code != status:
            raise RuntimeError(f"{path}: {self.answer.status} {self.answer.text}")
        return self.answer.json if self.answer.data else {}

    def mail(self, recipient: str, template: str | None = None) -> dict[str, Any]:
        """Return the newest message to an e-mail address or number, as the mailbox shows it."""
        about = {"query_string": {"to": recipient}, "headers": {"Accept": "application/json"}}
        found = self._client.get("/dev/mailbox", **about).json["items"]
        names = (template, RENAMED.get(template)) if template else None
        return next(m for m in found if names is None or m["template"] in names)

    def secrets(self, recipient: str, template: str | None = None) -> dict[str, Any]:
        """Return the code and the token of the link in the newest message."""
        variables = self.mail(recipient, template)["variables"]
        found = {"code": str(variables["code"])} if "code" in variables else {}
        link = variables.get("link", "")
        return found | ({"token": link.partition("#")[2]} if link else {})

    def user(self, name: str, /, **more: Any) -> dict[str, Any]:
        """Register a user and verify the e-mail address."""
        client = more.pop("client", self._client)
        known = {"email": f"{name}@example.com", "password": PASSWORD}
        self.send("/auth/register", known | more, 202, client=client)
        code = self.secrets(known["email"])["code"]
        form = {"email": known["email"], "code": code, "password": known["password"]}
        self.send("/auth/email/verify", form, client=client)
        return known

    def log_in(self, known: dict[str, Any], **more: Any) -> Any:
        """Log in with the password."""
        headers = more.pop("headers", {})
        form = {"identifier": known["email"], "password": known["password"], **more}
        return self.send("/auth/login", form, headers=headers)

    def _run(self, *arguments: str) -> str:
        """Run a command; return what it prints, without the log."""
        result = self.app.test_cli_runner().invoke(args=arguments)
        if result.exit_code:
            raise RuntimeError(result.output)
        return str(result.stdout)

    # What every version has

    def password(self) -> dict[str, Any]:
        return self.user("ada", username="ada", name="Ada Lovelace") | {"username": "ada"}

    def argon2(self) -> dict[str, Any]:
        return self.user("argon", client=self._argon2.test_client(use_cookies=False))

    def session(self) -> dict[str, Any]:
        known = self.user("session")
        return known | self._tokens(self.log_in(known))

    def registration_code(self) -> dict[str, Any]:
        known = {"email": "code@example.com", "password": PASSWORD}
        self.send("/auth/register", known, 202)
        return known | self.secrets(known["email"])

    def registration_link(self) -> dict[str, Any]:
        known = {"email": "link@example.com", "password": PASSWORD}
        self.send("/auth/register", known, 202)
        return known | self.secrets(known["email"])

    def invitation(self) -> dict[str, Any]:
        email = "invited@example.com"
        self._run("users", "invite", email, "--role", "admin")
        return {"email": email, "password": PASSWORD} | self.secrets(email)

    # What came with 0002

    def locked(self) -> dict[str, Any]:
        known = self.user("locked")
        device = {"device_token": self.log_in(known)["device_token"]}
        form = {"identifier": known["email"], "password": WRONG}
        for network in range(25):  # four attempts from each, after which none has to wait
            for _ in range(4):
                sender = {"REMOTE_ADDR": f"10.0.{network}.1"}
                self.send("/auth/login", form, 401, environ_overrides=sender)
        return known | device

    def waiting(self) -> dict[str, Any]:
        known = self.user("waiting")
        device = {"device_token": self.log_in(known)["device_token"]}
        sender = {"REMOTE_ADDR": "192.0.2.1"}
        form = {"identifier": known["email"], "password": WRONG}
        for pause in (0, 0, 0, 0, 0, 30, 60, 120):  # seconds; after the eighth, four minutes
            self._clock.shift(pause)
            self.send("/auth/login", form, 401, environ_overrides=sender)
        return known | device | {"address": sender["REMOTE_ADDR"]}

    def cookie_session(self) -> dict[str, Any]:
        known = self.user("cookies")
        self.log_in(known, transport="cookie")
        pairs = [text.partition(";")[0] for text in self.answer.headers.getlist("Set-Cookie")]
        return known | {"cookies": dict(pair.split("=", 1) for pair in pairs)}

    # What came with 0003

    def _totp(self, name: str) -> tuple[dict[str, Any], Any]:
        known = self.user(name)
        tokens = self.log_in(known)
        factor = self._new_factor(tokens, kind="totp", label="Phone")
        known["totp_secret"] = factor["secret"]
        code = pyotp.TOTP(factor["secret"]).at(int(time.time()) - 30)  # the step now stays unused
        confirmed = self._confirm(tokens, factor, code)
        return known | {"recovery_codes": confirmed["recovery_codes"]}, tokens

    def _new_factor(self, tokens: Any, **form: str) -> Any:
        return self.send("/auth/mfa/factors", form, 201, bearer=tokens)

    def _confirm(self, tokens: Any, factor: Any, code: str) -> Any:
        path = f"/auth/mfa/factors/{factor['id']}/confirm"
        return self.send(path, {"code": code}, bearer=tokens)

    def _tokens(self, answer: Any) -> dict[str, str]:
        return {name: answer[name] for name in ("access_token", "refresh_token")}

    def totp(self) -> dict[str, Any]:
        return self._totp("totp")[0]

    def totp_unconfirmed(self) -> dict[str, Any]:
        known = self.user("unconfirmed")
        tokens = self.log_in(known)
        factor = self._new_factor(tokens, kind="totp", label="Phone")
        about = {"totp_secret": factor["secret"], "factor_id": factor["id"]}
        return known | about | self._tokens(tokens)

    def remembered_device(self) -> dict[str, Any]:
        known, _ = self._totp("remembered")
        question = self.log_in(known)
        form = {"mfa_token": question["mfa_token"], "factor": "totp", "remember_device": True}
        form["code"] = pyotp.TOTP(known["totp_secret"]).at(int(time.time()))
        return known | {"device_token": self.send("/auth/login/mfa", form)["device_token"]}

    def second_step(self) -> dict[str, Any]:
        known, _ = self._totp("halfway")
        return known | {"mfa_token": self.log_in(known)["mfa_token"]}

    def _verified_phone(self, known: dict[str, Any], phone: str) -> Any:
        tokens = self.log_in(known)
        self.send("/auth/phone", {"phone": phone}, 202, bearer=tokens)
        form = {"phone": phone, "code": self.secrets(phone)["code"]}
        self.send("/auth/phone/verify", form, bearer=tokens)
        return tokens

    def sms(self) -> dict[str, Any]:
        known, phone = self.user("sms"), "+4915112345678"
        tokens = self._verified_phone(known, phone)
        factor = self._new_factor(tokens, kind="sms")
        self._confirm(tokens, factor, self.secrets(phone, "sms_factor")["code"])
        return known | {"phone": phone}

    def email(self) -> dict[str, Any]:
        known = self.user("email")
        tokens = self.log_in(known)
        factor = self._new_factor(tokens, kind="email")
        self._confirm(tokens, factor, self.secrets(known["email"], "factor_code")["code"])
        return known

    def phone_code(self) -> dict[str, Any]:
        known, phone = self.user("phone"), "+4915187654321"
        tokens = self.log_in(known)
        self.send("/auth/phone", {"phone": phone}, 202, bearer=tokens)
        return known | self._tokens(tokens) | {"phone": phone} | self.secrets(phone)

    def passkey(self) -> dict[str, Any]:
        known = self.user("passkey")
        tokens = self.log_in(known)
        asked = self.send("/auth/passkeys/registration/options", bearer=tokens)
        device = new_authenticator()
        form = {"credential": device.create(asked["public_key"])}
        self.send("/auth/passkeys/registration/verify", form, 201, bearer=tokens)
        waiting = self.send("/auth/passkeys/authentication/options")
        return known | {"passkey": exported(device), "waiting": waiting}

    def passkey_only(self) -> dict[str, Any]:
        known, device = self._passkey_registration("first")
        form = {name: known.pop(name) for name in ("email", "registration_token", "code")}
        self.send("/auth/email/verify", form)
        return {"email": form["email"], "passkey": exported(device)}

    def passkey_registration(self) -> dict[str, Any]:
        known, device = self._passkey_registration("begun")
        return known | {"passkey": exported(device)}

    def _passkey_registration(self, name: str) -> tuple[dict[str, Any], Any]:
        email, device = f"{name}@example.com", new_authenticator()
        asked = self.send("/auth/register/options", {"email": email})
        token = {"registration_token": asked["registration_token"]}
        passkey = token | {"credential": device.create(asked["public_key"])}
        self.send("/auth/register", {"email": email, "passkey": passkey}, 202)
        return {"email": email, "code": self.secrets(email)["code"]} | token, device

    def reset_link(self) -> dict[str, Any]:
        known = self.user("forgetful")
        self.send("/auth/password/forgot", {"email": known["email"]}, 202)
        return known | self.secrets(known["email"], "password_reset")

    def email_change(self) -> dict[str, Any]:
        known, changed = self.user("moving"), "moving@new.example"
        self.send("/auth/email/change", {"email": changed}, 202, bearer=self.log_in(known))
        return known | {"new_email": changed} | self.secrets(changed)

    def email_undo(self) -> dict[str, Any]:
        known, changed = self.user("moved"), "moved@new.example"
        self.send("/auth/email/change", {"email": changed}, 202, bearer=self.log_in(known))
        form = {"email": changed, "code": self.secrets(changed)["code"]}
        form["password"] = known["password"]
        self.send("/auth/email/verify", form)
        return known | {"new_email": changed, "token": self.secrets(known["email"])["token"]}

    def login_link(self) -> dict[str, Any]:
        known = self.user("linked")
        answer = self.send("/auth/login/link", {"email": known["email"]}, 202)
        return known | {"login_token": answer["login_token"]} | self.secrets(known["email"])

    def repeated_request(self) -> dict[str, Any]:
        known, headers = self.user("repeated"), {"Idempotency-Key": "repeated-request-1-of-a-user"}
        form = {"email": known["email"]}
        answer = self.send("/auth/login/link", form, 202, headers=headers)
        return {"form": form, "headers": headers, "answer": answer}

    def mfa_recovery(self) -> dict[str, Any]:
        known, _ = self._totp("recovering")
        answer = self.send("/auth/mfa/recovery", {"email": known["email"]}, 202)
        token = {"recovery_token": answer["recovery_token"]}
        return known | token | self.secrets(known["email"], "lost_factor")

    def mfa_reset(self) -> dict[str, Any]:
        known, _ = self._totp("resetting")
        answer = self.send("/auth/mfa/recovery", {"email": known["email"]}, 202)
        form = {"recovery_token": answer["recovery_token"], "password": PASSWORD}
        form["code"] = self.secrets(known["email"], "lost_factor")["code"]
        self.send("/auth/mfa/recovery/verify", form)
        return known | {"token": self.secrets(known["email"])["token"]}

    # What came after 0008

    def own_role(self) -> dict[str, Any]:
        known = self.user("clerk", username="clerk")
        self._run("permissions", "create", "orders:read", "Read orders.")
        self._run("roles", "create", "clerk", "Reads orders.", "--permission", "orders:read")
        self._run("roles", "assign", "clerk", "clerk", "--until", "2099-01-01T00:00")
        return known | {"role": "clerk", "permission": "orders:read"}

    def api_key(self) -> dict[str, Any]:
        self.user("keeper", username="keeper")
        command = "service-accounts"
        self._run(command, "create", "ci", "Builds.", "--owner", "keeper", "--role", "support")
        created = self._run(
            command, "create-key", "ci", "CI", "--permission", "users:read", "--json"
        )
        return {"key": json.loads(created)["key"]}

    def deleted_account(self) -> dict[str, Any]:
        known = self.user("leaving")
        bearer = {"Authorization": f"Bearer {self.log_in(known)['access_token']}"}
        answer = self._client.delete("/auth/me", headers=bearer)
        if answer.status_code != 204:
            raise RuntimeError(answer.text)
        return known | self.secrets(known["email"])

    # The last one, when all other messages have been sent

    def unsent_mail(self) -> dict[str, Any]:
        with self.app.app_context():
            db.session.execute(db.text("UPDATE outbox SET sent_at = created_at"))
            kept = "SELECT id FROM outbox ORDER BY id LIMIT 5"  # the others would make up the file
            db.session.execute(db.text(f"DELETE FROM outbox WHERE id NOT IN ({kept})"))
            db.session.commit()
        email = "unsent@example.com"
        self.send("/auth/register", {"email": email, "password": PASSWORD}, 202)
        return {name: self.mail(email)[name] for name in ("to", "subject", "text")}


OF_0001 = ("password", "argon2", "session", "registration_code", "registration_link", "invitation")
OF_0002 = ("waiting", "locked", "cookie_session")
OF_0003 = (
    *("totp", "totp_unconfirmed", "remembered_device", "second_step", "sms", "email"),
    *("phone_code", "passkey", "passkey_only", "passkey_registration", "reset_link"),
    *("email_change", "email_undo", "login_link", "repeated_request", "mfa_recovery", "mfa_reset"),
)
LATER = {"own_role": "0011", "api_key": "0012", "deleted_account": "0015"}
CHECKS = {
    "0.1.0": (*OF_0001, "unsent_mail"),
    "47b6e92": (*OF_0002, *OF_0001, "unsent_mail"),
    "38c3233": (*OF_0002, *OF_0001, *OF_0003, "unsent_mail"),
    **{
        name: (
            *(*OF_0002, *OF_0001, *OF_0003),
            *(check for check, first in LATER.items() if name >= first),
            "unsent_mail",
        )
        for name in BY_MIGRATION
    },
}


def new_authenticator() -> Any:
    """Return the software authenticator of the old version's tests."""
    from tests.mfa.authenticator import Authenticator  # noqa: PLC0415 # 0.1.0 has none

    return Authenticator()


def exported(device: Any) -> dict[str, str]:
    """Return an authenticator as JSON."""
    pem = device.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    about = {"credential_id": device.credential_id.hex(), "user_handle": device.user_handle}
    return {"key": pem.decode(), **about}


def let_clocks_follow() -> None:
    """Let the uptime follow the moved clock, where the service's clock depends on it."""
    if importlib.util.find_spec("tests.moved_clock"):
        importlib.import_module("tests.moved_clock").pytest_configure()


def main(name: str, folder: str) -> None:
    """Write the fixture of a version."""
    let_clocks_follow()
    begin, revision = HISTORY[name]
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    with tempfile.TemporaryDirectory() as scratch, time_machine.travel(begin) as clock:
        file = Path(scratch) / "database.db"
        environment = {
            "GATEHOUSE_ENV": "development",
            "GATEHOUSE_PUBLIC_URL": "http://localhost:8000",
            "GATEHOUSE_BCRYPT_COST": "4",
            "GATEHOUSE_RATE_LIMITS": "off",
            "DATABASE_URL": f"sqlite:///{file}",
            **KEYS,
        }
        service = Service(environment, clock)
        with service.app.app_context():
            prepare_database()
        known = {check: getattr(service, check)() for check in CHECKS[name]}
        moment = datetime.now(UTC).isoformat()
        with closing(sqlite3.connect(file)) as database:
            rows = "\n".join(database.iterdump())
    about = {"commit": commit, "revision": revision, "moment": moment, "keys": KEYS, "known": known}
    target = Path(folder) / name
    target.mkdir(exist_ok=True)
    (target / "database.sql").write_text(rows + "\n")
    (target / "secrets.json").write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    os.umask(0o022)
    main(*sys.argv[1:])
