"""MFA recovery: request it, verify it, and run the reset that it schedules."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.mfa import reset
from gatehouse.operations import cleanup
from models import OneTimeCode
from tests.account.conftest import ADA, read_messages
from tests.client import PASSWORD, Client
from tests.rows import rows

REQUEST, VERIFY = "/auth/mfa/recovery", "/auth/mfa/recovery/verify"


def request_recovery(client: Client, **identifier: str) -> dict[str, Any]:
    """Request a code; return the first members of the next form: token and newest code."""
    identifier = identifier or {"email": ADA}
    [to] = identifier.values()
    response = client.post(REQUEST, identifier)
    assert response.status_code == 202, response.text
    return {"recovery_token": response.json["recovery_token"], "code": newest_code(client, to)}


def newest_code(client: Client, to: str) -> str:
    """Return the newest recovery code sent to a recipient, or a wrong one if there is none."""
    template = "sms_mfa_recovery" if to.startswith("+") else "mfa_recovery"
    messages = read_messages(client, to, template)
    return str(messages[0]["code"]) if messages else "00000000"


def verify_recovery(client: Client, request: dict[str, Any], **second: str) -> TestResponse:
    """Send the code with a second method: the password, unless another one is given."""
    return client.post(VERIFY, request | (second or {"password": PASSWORD}))


def recover(client: Client, **second: str) -> TestResponse:
    """Request a code by e-mail and send it with a second method, by default the password."""
    return verify_recovery(client, request_recovery(client), **second)


def count_pending_resets(app: Flask) -> int:
    """Return how many resets are pending."""
    return len([row for row in rows(app, OneTimeCode, purpose=reset.PURPOSE) if not row.used_at])


def run_cleanup(app: Flask) -> None:
    """Run the periodic jobs, which execute the resets that are due."""
    with app.app_context():
        cleanup.run_cleanup()
