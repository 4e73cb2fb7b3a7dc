"""Users with passkeys, and the requests of their browsers."""

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

REJECTED = (401, "invalid_code")
MALFORMED = (400, "malformed_request")
OPTIONS = "/auth/passkeys/{}/options"
VERIFY = "/auth/passkeys/{}/verify"


def status_and_code(response: TestResponse) -> tuple[int, str]:
    """Return the status, and the error code of a failure."""
    return response.status_code, response.json.get("code")


def is_success(response: TestResponse) -> bool:
    """Return whether a ceremony succeeded."""
    return response.status_code in (200, 201)


def is_rejected(response: TestResponse) -> bool:
    """Return whether a passkey was rejected."""
    return status_and_code(response) == REJECTED


def rejection_reasons(app: Flask) -> list[str]:
    """Return why passkeys were rejected, according to the audit log."""
    return [event.details["reason"] for event in audited(app, "passkey.refused")]


@dataclass
class Browser:
    """A user's browser with an authenticator; its methods take the authenticator's overrides."""

    client: Client
    authenticator: Authenticator
    user: User

    def request_options(self, ceremony: str = "authentication") -> dict[str, Any]:
        """Request options for `authentication`, or as the signed-in user for `registration`."""
        client = self.client.as_(self.user.tokens) if ceremony == "registration" else self.client
        response = client.post(OPTIONS.format(ceremony))
        assert response.status_code == 200, response.text
        options: dict[str, Any] = response.json
        return options

    def register(self, options: Mapping[str, Any] | None = None, **overrides: Any) -> TestResponse:
        """Register the passkey of the authenticator."""
        public_key = (options or self.request_options("registration"))["public_key"]
        form = {"credential": self.authenticator.create(public_key, **overrides)}
        response = self.client.as_(self.user.tokens).post(VERIFY.format("registration"), form)
        if response.status_code == 201:  # the session stepped up; its next token has AAL2
            self.user.tokens = self.client.renew(self.user.tokens)
        return response

    def sign_in(
        self, options: Mapping[str, Any] | None = None, transport: str = "body", **overrides: Any
    ) -> TestResponse:
        """Log in with the passkey of the authenticator."""
        options = options or self.request_options()
        credential = self.authenticator.get(options["public_key"], **overrides)
        form = {"login_token": options["login_token"], "credential": credential}
        form["transport"] = transport
        return self.client.post(VERIFY.format("authentication"), form)


@pytest.fixture
def new_browser(client: Client, make_user: Callable[..., User]) -> Callable[..., Browser]:
    """Return a function that makes the browser of a signed-in user, with an authenticator."""

    def make(user: User | None = None, **authenticator: Any) -> Browser:
        user = user or make_user()
        if not user.tokens:
            client.log_in(user)
        return Browser(client, Authenticator(**authenticator), user)

    return make


@pytest.fixture
def browser(new_browser: Callable[..., Browser]) -> Browser:
    """The browser of a signed-in user; its passkey is not registered."""
    return new_browser()


@pytest.fixture
def registered_browser(browser: Browser) -> Browser:
    """The browser of a signed-in user with a registered passkey."""
    response = browser.register()
    assert response.status_code == 201, response.text
    return browser


@pytest.fixture(params=["register", "sign_in"])
def perform_ceremony(
    request: pytest.FixtureRequest, browser: Browser
) -> Callable[..., TestResponse]:
    """Run the test with both ceremonies; the function takes the authenticator's overrides."""
    if request.param == "sign_in":
        assert browser.register().status_code == 201
    ceremony: Callable[..., TestResponse] = getattr(browser, request.param)
    return ceremony
