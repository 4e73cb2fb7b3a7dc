"""A user who takes each step that the pages of a sign-in ask for, and notes it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gatehouse.core import clock
from tests.client import Client, User
from tests.mfa.authenticator import Authenticator
from tests.mfa.otp import read_code
from tests.oauth.form_browser import Form, Page
from tests.oauth.relying_party import RelyingParty, answer_of

SECRET = re.compile(r'<code id="secret">([A-Z2-7]+)</code>')
PASSKEY_FORM = re.compile(r"<form [^>]*data-passkey-(?:login|confirmation)[^>]*>")
CODES_SAVED = re.compile(r'href="(/auth/authorize\?request=[^"]+)">I have saved')
ATTRIBUTE = re.compile(r'data-([a-z-]+)="([^"]*)"')
NUMERIC = 'inputmode="numeric"'
MAX_STEPS = 10


@dataclass
class Walk:
    """A user at the pages: with the password wherever that is enough, else with one factor."""

    party: RelyingParty
    client: Client
    user: User
    factor: str = ""
    """The kind of factor that the user has, `recovery`, or `passkey first` without a password."""
    authenticator: Authenticator = field(default_factory=Authenticator)
    trusts_device: bool = False
    """Whether the user trusts the device after a second factor."""
    steps: list[str] = field(default_factory=list)

    def run(self, **parameters: Any) -> str:
        """Send an authorization request; return the steps, and how they end."""
        self.steps, began_at = [], clock.unix_time()
        page = self.party.start(**parameters)
        for _ in range(MAX_STEPS):
            answer = answer_of(page, self.party.redirect_uri)
            if answer is not None:
                return self._end(answer.get("error") or self._redeem(answer["code"], began_at))
            following = self._take_step(page) if page.response.status_code < 400 else None
            if following is None:
                return self._end(f"{page.response.status_code} at {urlsplit(page.url).path}")
            page = following
        raise AssertionError(f"too many steps: {self.steps}")

    def _end(self, outcome: str) -> str:
        return f"{' '.join(self.steps) or 'nothing'}: {outcome}"

    def _redeem(self, code: str, began_at: int) -> str:
        claims = self.party.read_tokens(self.party.exchange(code))["claims"]
        assert (claims["auth_time"] >= began_at) == bool(self.steps), (claims, self.steps)
        return f"{claims['acr']} {'+'.join(claims['amr'])}"

    def _take_step(self, page: Page) -> Page | None:
        """Take the weakest step that the page offers; None if it offers none."""
        if found := CODES_SAVED.search(page.text):
            return self.party.browser.visit(f"{self.party.issuer}{found[1]}")
        if self.factor == "passkey first" and "data-passkey-sign-in" in page.text:
            return self._sign_in_with_passkey(page)
        if form := _form_with(page, "password"):
            self.steps.append("password")
            return self._send(page, form, password=self.user.password, identifier=self.user.email)
        if self.factor.startswith("passkey"):
            return self._confirm_with_passkey(page)
        return self._use_code(page)

    def _use_code(self, page: Page) -> Page | None:
        """Send the code of the factor, or choose it first."""
        is_chosen = NUMERIC in page.text if self.factor != "recovery" else NUMERIC not in page.text
        form = _form_with(page, "code") if is_chosen else None
        if form:
            self.steps.append("enrolment" if SECRET.search(page.text) else self.factor)
            return self._send(page, form, code=self._code(page))
        choices = [form for form in page.forms if form.values().get("kind", "totp") == "totp"]
        chosen = [form for form in choices if form.action.endswith(("/factor", "/enrolment"))]
        return self._send(page, chosen[0]) if chosen else None

    def _code(self, page: Page) -> str:
        if shown := SECRET.findall(page.text):
            self.user.secret = shown[0]
            return self.user.totp(-1)
        if self.factor in ("sms", "email"):
            return read_code(self.client, self.user, self.factor)
        return self.user.recovery_codes.pop() if self.factor == "recovery" else self.user.totp()

    def _send(self, page: Page, form: Form, **typed: str) -> Page:
        fields = [(name, typed.get(name, value)) for name, value in form.fields]
        if "code" in typed and self.trusts_device:
            fields.append(("remember_device", "on"))
        return self.party.browser.send(page, form, fields)

    # What the script of the pages does

    def _sign_in_with_passkey(self, page: Page) -> Page:
        path = "/auth/passkeys/authentication"
        options = self._post(f"{path}/options", {})
        form = {"login_token": options["login_token"], "transport": "cookie"}
        return self._complete(page, f"{path}/verify", form, options)

    def _confirm_with_passkey(self, page: Page) -> Page | None:
        found = PASSKEY_FORM.search(page.text)
        if found is None:
            return None
        given = dict(ATTRIBUTE.findall(found[0]))
        form, path = {"factor_id": given["factor-id"]}, "/auth/reauthenticate"
        if "mfa-token" in given:
            form, path = form | {"mfa_token": given["mfa-token"]}, "/auth/login/mfa"
        options = self._post(f"{path}/challenge", form)
        more = {"remember_device": True} if self.trusts_device and "mfa_token" in form else {}
        return self._complete(page, path, form | more, options)

    def _complete(self, page: Page, path: str, form: dict[str, Any], options: Any) -> Page:
        self.steps.append("passkey")
        credential = self.authenticator.get(options["public_key"])
        self._post(path, {**form, "credential": credential})
        following = dict(ATTRIBUTE.findall(page.text))["next"]
        return self.party.browser.visit(f"{self.party.issuer}{following}")

    def _post(self, path: str, form: object) -> Any:
        browser = self.party.browser
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers["Origin"] = self.party.issuer
        if "__Host-csrf" in browser.cookies:
            headers["X-CSRF-Token"] = browser.cookies["__Host-csrf"][0]
        url, sent = f"{self.party.issuer}{path}", json.dumps(form)
        page = browser.open(url, sent, "POST", **headers)
        if page.response.status_code == 401:  # the access cookie has expired
            browser.open(f"{self.party.issuer}/auth/refresh", "{}", "POST", **headers)
            headers["X-CSRF-Token"] = browser.cookies["__Host-csrf"][0]
            page = browser.open(url, sent, "POST", **headers)
        assert page.response.status_code == 200, page.text
        return page.response.json

    def open_session(self) -> None:
        """Sign in again on a device that is trusted: with the password alone, if there is one."""
        browser = self.party.browser
        self.trusts_device = True
        self.run()
        browser.cookies = {name: kept for name, kept in browser.cookies.items() if "device" in name}
        self.trusts_device = False
        self.run()


def _form_with(page: Page, name: str) -> Form | None:
    return next((form for form in page.forms if name in form.values()), None)
