"""People whose second factor is a code that is sent to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.test import TestResponse

from tests.client import Client, User
from tests.letters import letter

NUMBER, OTHER_NUMBER = "+4915112345678", "+4915187654321"
KINDS = ("email", "sms")


def where(user: User, kind: str) -> str:
    """Return where codes of a kind go."""
    return user.email if kind == "email" else NUMBER


def sent(client: Client, user: User, kind: str) -> int:
    """Return how many codes went to a person to prove this factor."""
    template = "factor_code" if kind == "email" else "sms_factor"
    return [item["template"] for item in client.mailbox(to=where(user, kind))].count(template)


def prove_phone(client: Client, user: User, number: str = NUMBER) -> None:
    """Prove a number, as a person who is signed in."""
    mine = client.as_(user.tokens)
    assert mine.post("/auth/phone", {"phone": number}).status_code == 202
    form = {"phone": number, "code": letter(client, number)["code"]}
    assert mine.post("/auth/phone/verify", form).status_code == 200


def begin(client: Client, user: User, kind: str) -> dict[str, Any]:
    """Begin to set a factor up, as a person who has just signed in."""
    client.log_in(user)
    if kind == "sms":
        prove_phone(client, user)
    answer = client.as_(user.tokens).post("/auth/mfa/factors", {"kind": kind})
    assert answer.status_code == 201, answer.text
    factor: dict[str, Any] = answer.json
    return factor


def confirm(client: Client, user: User, factor: Mapping[str, Any], code: str) -> TestResponse:
    """Send the first proof of a factor."""
    path = f"/auth/mfa/factors/{factor['id']}/confirm"
    return client.as_(user.tokens).post(path, {"code": code})


def enrol(client: Client, user: User, kind: str) -> dict[str, Any]:
    """Give a person a factor; return it."""
    factor = begin(client, user, kind)
    answer = confirm(client, user, factor, code_of(client, user, kind))
    assert answer.status_code == 200, answer.text
    user.recovery_codes = answer.json.get("recovery_codes") or user.recovery_codes
    return factor


def code_of(client: Client, user: User, kind: str) -> str:
    """Return the newest code that is to prove this factor; notices may have followed it."""
    template = "factor_code" if kind == "email" else "sms_factor"
    items = client.mailbox(to=where(user, kind))
    return next(str(i["variables"]["code"]) for i in items if i["template"] == template)


def ask(client: Client, question: Mapping[str, Any], factor: Mapping[str, Any]) -> TestResponse:
    """Have the code of a second step sent."""
    form = {"mfa_token": question["mfa_token"], "factor_id": factor["id"]}
    return client.post("/auth/login/mfa/challenge", form)


def step(question: Mapping[str, Any], kind: str, code: str, **more: Any) -> dict[str, Any]:
    """Return the form of a second step."""
    return {"mfa_token": question["mfa_token"], "factor": kind, "code": code, **more}
