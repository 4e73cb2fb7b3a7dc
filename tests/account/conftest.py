"""People who forgot, and their addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.client import Client, User
from tests.letters import token_of

ADA, NEW_ADDRESS = "ada@example.com", "ada@new.example"
NEW, THIRD = "another long phrase instead", "a third and equally long one"
NUMBER, OTHER_NUMBER = "+4915112345678", "+4915187654321"


@pytest.fixture
def ada(make_user: Callable[..., User]) -> User:
    """Ada, who has an account."""
    return make_user(email=ADA, username="ada")


def told(answer: TestResponse) -> tuple[int, str]:
    """Return the status, and the code of a refusal or what has become of the request."""
    body = answer.json if answer.data else {}
    return answer.status_code, body.get("code", body.get("status", ""))


def mails(client: Client, to: str, template: str) -> list[dict[str, Any]]:
    """Return what the mails of a kind to an address or number say, newest first."""
    found = client.mailbox(to=to)
    return [mail["variables"] for mail in found if mail["template"] == template]


def templates(client: Client, to: str) -> list[str]:
    """Return the kinds of the messages to an address or number, oldest first."""
    return [mail["template"] for mail in client.mailbox(to=to)][::-1]


def forgot(client: Client, **whose: str) -> TestResponse:
    """Ask for a reset."""
    return client.post("/auth/password/forgot", whose)


def reset_mail(client: Client, to: str = ADA) -> dict[str, Any]:
    """Forget a password, and return what the mail says: `code`, `link` and `token`."""
    assert forgot(client, email=to).status_code == 202
    found = mails(client, to, "password_reset")[0]
    return found | {"token": token_of(found["link"])}


def reset(client: Client, password: str = NEW, **proof: str) -> TestResponse:
    """Choose a new password."""
    return client.post("/auth/password/reset", {**proof, "password": password})


def log_in(client: Client, identifier: str, password: str) -> int:
    """Try to log in; return the status."""
    form = {"identifier": identifier, "password": password}
    return client.post("/auth/login", form).status_code


def prove_phone(client: Client, tokens: dict[str, Any], number: str = NUMBER) -> TestResponse:
    """Prove a number by SMS."""
    mine = client.as_(tokens)
    assert told(mine.post("/auth/phone", {"phone": number})) == (202, "sent")
    code = mails(client, number, "sms_phone")[0]["code"]
    return mine.post("/auth/phone/verify", {"phone": number, "code": code})


def change_email(client: Client, tokens: dict[str, Any], to: str = NEW_ADDRESS) -> TestResponse:
    """Ask for another address, and prove it with the code that was mailed there."""
    assert told(client.as_(tokens).post("/auth/email/change", {"email": to})) == (202, "sent")
    code = mails(client, to, "email_change")[0]["code"]
    return client.post("/auth/email/verify", {"email": to, "code": code})


def undo_token(client: Client, to: str = ADA) -> str:
    """Return the token of the newest link by which an old address takes its account back."""
    return token_of(mails(client, to, "notice_email_changed")[0]["link"])
