"""A user, and the requests that change or recover an account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.client import Client, User
from tests.mail_links import token_of

ADA, NEW_ADDRESS = "ada@example.com", "ada@new.example"
NEW, THIRD = "another long phrase instead", "a third and equally long one"
NUMBER, OTHER_NUMBER = "+4915112345678", "+4915187654321"


@pytest.fixture
def ada(make_user: Callable[..., User]) -> User:
    """Ada, who has an account."""
    return make_user(email=ADA, username="ada")


def status_and_code(response: TestResponse) -> tuple[int, str]:
    """Return the status, with the error code or else the `status` of the body."""
    body = response.json if response.data else {}
    return response.status_code, body.get("code", body.get("status", ""))


def read_messages(client: Client, to: str, template: str) -> list[dict[str, Any]]:
    """Return the variables of the messages of a template to an address or number, newest first."""
    messages = client.mailbox(to=to)
    return [message["variables"] for message in messages if message["template"] == template]


def list_templates(client: Client, to: str) -> list[str]:
    """Return the templates of the messages to an address or number, oldest first."""
    return [message["template"] for message in client.mailbox(to=to)][::-1]


def request_reset(client: Client, **recipient: str) -> TestResponse:
    """Request a password reset."""
    return client.post("/auth/password/forgot", recipient)


def request_reset_mail(client: Client, to: str = ADA) -> dict[str, Any]:
    """Request a password reset; return the variables of its e-mail and the link's `token`."""
    assert request_reset(client, email=to).status_code == 202
    variables = read_messages(client, to, "password_reset")[0]
    return variables | {"token": token_of(variables["link"])}


def reset_password(client: Client, password: str = NEW, **credentials: str) -> TestResponse:
    """Set a new password with a token, or a code and its recipient."""
    return client.post("/auth/password/reset", {**credentials, "password": password})


def log_in(client: Client, identifier: str, password: str) -> int:
    """Try to log in; return the status."""
    form = {"identifier": identifier, "password": password}
    return client.post("/auth/login", form).status_code


def verify_phone(client: Client, tokens: dict[str, Any], number: str = NUMBER) -> TestResponse:
    """Set and verify a phone number."""
    mine = client.as_(tokens)
    assert status_and_code(mine.post("/auth/phone", {"phone": number})) == (202, "sent")
    code = read_messages(client, number, "sms_phone")[0]["code"]
    return mine.post("/auth/phone/verify", {"phone": number, "code": code})


def change_email(client: Client, tokens: dict[str, Any], to: str = NEW_ADDRESS) -> TestResponse:
    """Change the e-mail address, and verify it with the code that is sent there."""
    assert status_and_code(client.as_(tokens).post("/auth/email/change", {"email": to})) == (
        202,
        "sent",
    )
    code = read_messages(client, to, "email_change")[0]["code"]
    return client.as_(tokens).post("/auth/email/verify", {"email": to, "code": code})


def read_revert_token(client: Client, to: str = ADA) -> str:
    """Return the token of the newest link that reverts an e-mail change."""
    return token_of(read_messages(client, to, "notice_email_changed")[0]["link"])
