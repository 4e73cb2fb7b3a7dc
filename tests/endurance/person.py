"""A user of the endurance programs, who remembers what the service has acknowledged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests

NO_ANSWER = 0
"""Counted for a request whose connection was refused or broke."""
TIMEOUT = 30  # seconds


@dataclass
class Person:
    """A user whose password is always a known one, with at most one session."""

    number: int
    choose_url: Callable[[], str]
    answers: Counter[int]
    passwords: list[str] = field(default_factory=lambda: ["an unlikely phrase 42"])
    """The current password last; two while it is unknown whether a change was made."""
    session: dict[str, str] = field(default_factory=dict)
    """Tokens of the session whose refresh token the service returned last."""
    ended: list[str] = field(default_factory=list)
    """Access tokens of sessions whose end was acknowledged, newest last."""
    acknowledged: Counter[str] = field(default_factory=Counter)
    device: str = ""

    @property
    def email(self) -> str:
        """The e-mail address."""
        return f"person{self.number}@example.com"

    def send(
        self, path: str, form: Any = None, bearer: str = "", may_fail: bool = False
    ) -> dict[str, Any] | None:
        """POST JSON, or GET without a form; return the body of a success, else None."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        headers |= {"X-Device-Token": self.device} if self.device else {}
        method, url = "GET" if form is None else "POST", self.choose_url() + path
        try:
            response = requests.request(method, url, json=form, headers=headers, timeout=TIMEOUT)
        except requests.RequestException:
            self.answers[NO_ANSWER] += 1
            return None
        if not (may_fail and response.status_code == 401):
            self.answers[response.status_code] += 1
        if response.status_code >= 300:
            return None
        return response.json() if response.content else {}

    def register(self) -> None:
        """Register, and verify the e-mail address with the code from the developer mailbox."""
        form = {"email": self.email, "password": self.passwords[0]}
        registered = self.send("/auth/register", form) or {}
        mailbox = requests.get(
            f"{self.choose_url()}/dev/mailbox",
            params={"to": self.email},
            headers={"Accept": "application/json"},
            timeout=TIMEOUT,
        ).json()["items"]
        form = {"email": self.email, "code": mailbox[0]["variables"]["code"]}
        token = {"registration_token": registered["registration_token"]}
        if self.send("/auth/email/verify", form | token) is None:
            raise RuntimeError(f"{self.email} could not register: {dict(self.answers)}")

    def act(self) -> None:
        """Do one thing that a user does."""
        if not self.session or len(self.passwords) > 1:
            return self.log_in()
        return random.choice([self.refresh] * 6 + [self.log_out, self.change_password])()

    def log_in(self) -> None:
        """Log in; with two possible passwords, the successful one is the password from now on."""
        for password in reversed(self.passwords):
            form, is_unsure = (
                {"identifier": self.email, "password": password},
                len(self.passwords) > 1,
            )
            if tokens := self.send("/auth/login", form, may_fail=is_unsure):
                self.passwords = [password]
                self.device = tokens["device_token"]
                self._keep(tokens, "logins")
                return

    def refresh(self) -> None:
        """Exchange the refresh token; without an answer the same token is sent the next time."""
        if tokens := self.send("/auth/refresh", {"refresh_token": self.session["refresh_token"]}):
            self._keep(tokens, "refreshes")

    def log_out(self) -> None:
        """End the session."""
        bearer, self.session = self.session["access_token"], {}
        if self.send("/auth/logout", {}, bearer) is not None:
            self.ended.append(bearer)
            self.acknowledged["logouts"] += 1

    def change_password(self) -> None:
        """Change the password; without an answer both passwords are possible."""
        new = f"an unlikely phrase {random.randrange(10**9)}"
        form = {"current_password": self.passwords[-1], "password": new}
        changed = self.send("/auth/password/change", form, self.session["access_token"])
        self.passwords = [*self.passwords, new] if changed is None else [new]
        self.acknowledged["password changes"] += changed is not None

    def _keep(self, tokens: dict[str, Any], act: str) -> None:
        self.session = {name: tokens[name] for name in ("access_token", "refresh_token")}
        self.acknowledged[act] += 1

    def lost(self) -> Iterator[str]:
        """Yield a sentence for everything acknowledged that is no longer true."""
        if self.session and not self.send(
            "/auth/refresh", {"refresh_token": self.session["refresh_token"]}
        ):
            yield f"the session of {self.email}"
        if self.ended and self.send("/auth/me", bearer=self.ended[-1], may_fail=True) is not None:
            yield f"the end of a session of {self.email}"
        self.log_in()
        if len(self.passwords) > 1 or not self.session:
            yield f"the password of {self.email}"
