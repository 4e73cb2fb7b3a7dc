"""What a TokenAnswer says, and whether it still opens anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.client import Client
from tests.tokens.forgery import assert_refused, read

Answer = Mapping[str, Any]
"""A TokenAnswer."""


def claims(answer: Answer, kind: str = "refresh_token") -> dict[str, Any]:
    """Return the claims of one of its tokens."""
    return read(answer[kind])[1]


def session_of(answer: Answer) -> str:
    """Return the id of its session."""
    sid: str = claims(answer)["sid"]
    return sid


def refreshed(client: Client, answer: Answer) -> dict[str, Any]:
    """Return the TokenAnswer that its refresh token is exchanged for."""
    response = client.refresh(answer)
    assert response.status_code == 200, response.text
    return dict(response.json)


def assert_over(client: Client, *answers: Answer) -> None:
    """Check that nothing of these opens anything any more."""
    for answer in answers:
        assert_refused(client.as_(answer).get("/auth/me"), "token_revoked")
        assert_refused(client.refresh(answer), "session_ended")


def assert_alive(client: Client, *answers: Answer) -> None:
    """Check that these go on."""
    for answer in answers:
        assert client.as_(answer).get("/auth/me").status_code == 200
        assert client.refresh(answer).status_code == 200
