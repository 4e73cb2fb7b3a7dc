"""Users whose second factor is an OTP by e-mail or SMS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.test import TestResponse

from tests.client import Client, User
from tests.mail_links import read_mail

NUMBER, OTHER_NUMBER = "+4915112345678", "+4915187654321"
KINDS = ("email", "sms")


def recipient_of(user: User, kind: str) -> str:
    """Return the e-mail address or number that codes of a kind are sent to."""
    return user.email if kind == "email" else NUMBER


def count_codes(client: Client, user: User, kind: str) -> int:
    """Return how many codes of a factor were sent to a user."""
    template = "factor_code" if kind == "email" else "sms_factor"
    items = client.mailbox(to=recipient_of(user, kind))
    return len([item for item in items if item["template"] == template])


def verify_phone(client: Client, user: User, number: str = NUMBER) -> None:
    """Verify a phone number, as a signed-in user."""
    signed_in = client.as_(user.tokens)
    assert signed_in.post("/auth/phone", {"phone": number}).status_code == 202
    form = {"phone": number, "code": read_mail(client, number)["code"]}
    assert signed_in.post("/auth/phone/verify", form).status_code == 200


def start_enrolment(client: Client, user: User, kind: str) -> dict[str, Any]:
    """Log in, and start enrolling a factor; return the response."""
    client.log_in(user)
    if kind == "sms":
        verify_phone(client, user)
    response = client.as_(user.tokens).post("/auth/mfa/factors", {"kind": kind})
    assert response.status_code == 201, response.text
    factor: dict[str, Any] = response.json
    return factor


def confirm_factor(
    client: Client, user: User, factor: Mapping[str, Any], code: str
) -> TestResponse:
    """Confirm a factor with its first code."""
    path = f"/auth/mfa/factors/{factor['id']}/confirm"
    return client.as_(user.tokens).post(path, {"code": code})


def enrol_factor(client: Client, user: User, kind: str) -> dict[str, Any]:
    """Enrol a factor for a user; return the factor."""
    factor = start_enrolment(client, user, kind)
    response = confirm_factor(client, user, factor, read_code(client, user, kind))
    assert response.status_code == 200, response.text
    user.recovery_codes = response.json.get("recovery_codes") or user.recovery_codes
    return factor


def read_code(client: Client, user: User, kind: str) -> str:
    """Return the newest code of this factor; notifications may have followed it."""
    template = "factor_code" if kind == "email" else "sms_factor"
    items = client.mailbox(to=recipient_of(user, kind))
    return next(str(i["variables"]["code"]) for i in items if i["template"] == template)


def request_challenge(
    client: Client, challenge: Mapping[str, Any], factor: Mapping[str, Any]
) -> TestResponse:
    """Request the code, or the options, of a factor in the second step of a login."""
    form = {"mfa_token": challenge["mfa_token"], "factor_id": factor["id"]}
    return client.post("/auth/login/mfa/challenge", form)


def second_step_form(
    challenge: Mapping[str, Any], kind: str, code: str, **more: Any
) -> dict[str, Any]:
    """Return the form of a second step."""
    return {"mfa_token": challenge["mfa_token"], "factor": kind, "code": code, **more}
