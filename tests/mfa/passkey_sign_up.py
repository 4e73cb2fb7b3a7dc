"""Sign-up with a passkey and without a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from werkzeug.test import TestResponse

from tests.account.conftest import ADA
from tests.client import Client
from tests.mail_links import read_mail
from tests.mfa.authenticator import Authenticator

OPTIONS = "/auth/register/options"


@dataclass
class PasskeyApplicant:
    """An applicant who registers with the passkey of an authenticator."""

    client: Client
    email: str = ADA
    authenticator: Authenticator = field(default_factory=Authenticator)
    token: str = ""
    recovery_codes: list[str] = field(default_factory=list)

    def request_options(self) -> dict[str, Any]:
        """Request creation options, and keep their registration token."""
        response = self.client.post(OPTIONS, {"email": self.email})
        assert response.status_code == 200, response.text
        self.token = response.json["registration_token"]
        options: dict[str, Any] = response.json
        return options

    def registration_form(self, options: Any = None, **overrides: Any) -> dict[str, Any]:
        """Return the form of a registration; takes the authenticator's overrides."""
        options = options or self.request_options()
        credential = self.authenticator.create(options["public_key"], **overrides)
        passkey = {"registration_token": options["registration_token"], "credential": credential}
        return {"email": self.email, "passkey": passkey}

    def register(self, options: Any = None, **overrides: Any) -> TestResponse:
        """Register; the e-mail address is not verified yet."""
        return self.client.post("/auth/register", self.registration_form(options, **overrides))

    def verify_email(self, code: str = "") -> TestResponse:
        """Verify the e-mail address with the newest code, or another one."""
        code = code or read_mail(self.client, self.email)["code"]
        form = {"email": self.email, "code": code, "registration_token": self.token}
        return self.client.post("/auth/email/verify", form)

    def sign_in(self) -> TestResponse:
        """Log in with the passkey."""
        options = self.client.post("/auth/passkeys/authentication/options").json
        credential = self.authenticator.get(options["public_key"])
        form = {"login_token": options["login_token"], "credential": credential}
        return self.client.post("/auth/passkeys/authentication/verify", form)
