"""People with passkeys, and what their browsers send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.client import Client, User
from tests.mfa.authenticator import Authenticator
from tests.rows import audited

REFUSED = (401, "invalid_code")
MALFORMED = (400, "malformed_request")
OPTIONS = "/auth/passkeys/{}/options"
VERIFY = "/auth/passkeys/{}/verify"


def told(answer: TestResponse) -> tuple[int, str]:
    """Return what an answer tells."""
    return answer.status_code, answer.json.get("code")


def succeeds(answer: TestResponse) -> bool:
    """Tell whether a ceremony came to a good end."""
    return answer.status_code in (200, 201)


def whys(app: Flask) -> list[str]:
    """Return why passkeys were refused, as the audit has it."""
    return [event.details["why"] for event in audited(app, "passkey.refused")]


@dataclass
class Browser:
    """A browser with an authenticator; takes the lies that the authenticator takes."""

    client: Client
    authenticator: Authenticator
    user: User

    def options(self, ceremony: str = "authentication") -> dict[str, Any]:
        """Ask for options: of `authentication`, or as the signed-in user of `registration`."""
        who = self.client.as_(self.user.tokens) if ceremony == "registration" else self.client
        answer = who.post(OPTIONS.format(ceremony))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json
        return found

    def register(self, asked: Mapping[str, Any] | None = None, **lies: Any) -> TestResponse:
        """Register the passkey of the authenticator."""
        public_key = (asked or self.options("registration"))["public_key"]
        form = {"credential": self.authenticator.create(public_key, **lies)}
        answer = self.client.as_(self.user.tokens).post(VERIFY.format("registration"), form)
        if answer.status_code == 201:  # the session has risen, and its next token says so
            self.user.tokens = self.client.renew(self.user.tokens)
        return answer

    def sign_in(
        self, asked: Mapping[str, Any] | None = None, transport: str = "body", **lies: Any
    ) -> TestResponse:
        """Sign in with the passkey of the authenticator."""
        asked = asked or self.options()
        credential = self.authenticator.get(asked["public_key"], **lies)
        form = {"login_token": asked["login_token"], "credential": credential}
        form["transport"] = transport
        return self.client.post(VERIFY.format("authentication"), form)


@pytest.fixture
def new_browser(client: Client, make_user: Callable[..., User]) -> Callable[..., Browser]:
    """Give somebody who is signed in a browser; arguments are the authenticator's."""

    def make(user: User | None = None, **about: Any) -> Browser:
        user = user or make_user()
        if not user.tokens:
            client.log_in(user)
        return Browser(client, Authenticator(**about), user)

    return make


@pytest.fixture
def browser(new_browser: Callable[..., Browser]) -> Browser:
    """A browser of somebody who is signed in, with an authenticator that is new."""
    return new_browser()


@pytest.fixture
def ready(browser: Browser) -> Browser:
    """A browser whose passkey is registered."""
    answer = browser.register()
    assert answer.status_code == 201, answer.text
    return browser


@pytest.fixture(params=["register", "sign_in"])
def perform(request: pytest.FixtureRequest, browser: Browser) -> Callable[..., TestResponse]:
    """One ceremony, then the other; it takes lies."""
    if request.param == "sign_in":
        assert browser.register().status_code == 201
    act: Callable[..., TestResponse] = getattr(browser, request.param)
    return act
