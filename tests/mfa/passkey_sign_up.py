"""People who begin with a passkey, and no password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from werkzeug.test import TestResponse

from tests.account.conftest import ADA
from tests.client import Client
from tests.letters import letter
from tests.mfa.authenticator import Authenticator

OPTIONS = "/auth/register/options"


@dataclass
class Newcomer:
    """Somebody with an authenticator, who registers with it."""

    client: Client
    email: str = ADA
    authenticator: Authenticator = field(default_factory=Authenticator)
    token: str = ""
    recovery_codes: list[str] = field(default_factory=list)

    def options(self) -> dict[str, Any]:
        """Ask for the options of a passkey, and keep their token."""
        answer = self.client.post(OPTIONS, {"email": self.email})
        assert answer.status_code == 200, answer.text
        self.token = answer.json["registration_token"]
        asked: dict[str, Any] = answer.json
        return asked

    def form(self, asked: Any = None, **lies: Any) -> dict[str, Any]:
        """Return what is sent to register; takes the lies that the authenticator takes."""
        asked = asked or self.options()
        credential = self.authenticator.create(asked["public_key"], **lies)
        passkey = {"registration_token": asked["registration_token"], "credential": credential}
        return {"email": self.email, "passkey": passkey}

    def register(self, asked: Any = None, **lies: Any) -> TestResponse:
        """Ask for an account."""
        return self.client.post("/auth/register", self.form(asked, **lies))

    def verify(self, code: str = "") -> TestResponse:
        """Type the code of the newest mail, or another, where they registered."""
        code = code or letter(self.client, self.email)["code"]
        form = {"email": self.email, "code": code, "registration_token": self.token}
        return self.client.post("/auth/email/verify", form)

    def sign_in(self) -> TestResponse:
        """Sign in with the passkey and nothing else."""
        asked = self.client.post("/auth/passkeys/authentication/options").json
        credential = self.authenticator.get(asked["public_key"])
        form = {"login_token": asked["login_token"], "credential": credential}
        return self.client.post("/auth/passkeys/authentication/verify", form)
