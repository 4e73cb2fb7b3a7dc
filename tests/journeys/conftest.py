"""Devices in body and cookie mode, a mailbox, and a user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from flask import Flask

from tests.client import Client, User
from tests.journeys.device import App, Browser, Device

ADA, NEW_ADDRESS = "ada@example.com", "ada@new.example"
NEW_PASSWORD = "another unlikely phrase 43"
NUMBER = "+4915112345678"


@pytest.fixture(params=[App, Browser], ids=["body", "cookie"])
def new_device(request: pytest.FixtureRequest, app: Flask) -> Callable[[], Device]:
    """Return a function that makes devices: apps in body mode, then browsers in cookie mode."""
    return partial(request.param, app)


@pytest.fixture
def device(new_device: Callable[[], Device]) -> Device:
    """A device: an app, then a browser."""
    return new_device()


@dataclass
class Mailbox:
    """The developer mailbox: the e-mails and SMS that users received."""

    client: Client

    def read(self, template: str, to: str = ADA) -> dict[str, Any]:
        """Return the variables of the newest message of a template: `code`, `link`, ..."""
        messages = [one for one in self.client.mailbox(to=to) if one["template"] == template]
        assert messages, f"{to} got no {template}, but {self.templates(to)}"
        variables: dict[str, Any] = messages[0]["variables"]
        return variables

    def templates(self, to: str = ADA) -> list[str]:
        """Return the templates of all messages to a recipient, oldest first."""
        return [message["template"] for message in self.client.mailbox(to=to)][::-1]


@pytest.fixture
def mailbox(client: Client) -> Mailbox:
    return Mailbox(client)


@pytest.fixture
def ada(make_user: Callable[..., User]) -> User:
    """Ada, who has an account with a password."""
    return make_user(email=ADA, username="ada")


@pytest.fixture
def ada_with_phone(make_user: Callable[..., User], client: Client, mailbox: Mailbox) -> User:
    """Ada, with a verified phone number."""
    user = make_user(email=ADA, username="ada")
    mine = client.as_(client.log_in(user))
    assert mine.post("/auth/phone", {"phone": NUMBER}).status_code == 202
    form = {"phone": NUMBER, "code": mailbox.read("sms_phone", NUMBER)["code"]}
    assert mine.post("/auth/phone/verify", form).status_code == 200
    return user
