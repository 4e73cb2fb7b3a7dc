"""People who lost a second factor, and thieves who say so."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.mfa import reset
from gatehouse.operations import cleanup
from models import Challenge
from tests.account.conftest import ADA, mails
from tests.client import PASSWORD, Client
from tests.rows import rows

ASK, PROVE = "/auth/mfa/recovery", "/auth/mfa/recovery/verify"


def ask(client: Client, **whose: str) -> dict[str, Any]:
    """Ask for a code; return what has to be sent back with it: the token, and the newest code."""
    whose = whose or {"email": ADA}
    [to] = whose.values()
    answer = client.post(ASK, whose)
    assert answer.status_code == 202, answer.text
    return {"recovery_token": answer.json["recovery_token"], "code": newest(client, to)}


def newest(client: Client, to: str) -> str:
    """Return the newest code that went to an address or number, or one that was never sent."""
    kind = "sms_mfa_recovery" if to.startswith("+") else "mfa_recovery"
    found = mails(client, to, kind)
    return str(found[0]["code"]) if found else "00000000"


def prove(client: Client, asked: dict[str, Any], **proof: str) -> TestResponse:
    """Send the code, and beside it a proof: the password unless another is given."""
    return client.post(PROVE, asked | (proof or {"password": PASSWORD}))


def announced(app: Flask) -> int:
    """Return how many resets wait."""
    return len([row for row in rows(app, Challenge, purpose=reset.PURPOSE) if not row.used_at])


def keep_house(app: Flask) -> None:
    """Do what is due."""
    with app.app_context():
        cleanup.purge()
