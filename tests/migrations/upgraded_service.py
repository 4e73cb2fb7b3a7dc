"""The application of today with a database of an old version, used by HTTP only."""

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask.testing import FlaskClient

from tests.mfa.authenticator import Authenticator


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
