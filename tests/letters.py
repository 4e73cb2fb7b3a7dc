"""What a person takes from a mail, and how time passes meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine

from tests.client import Client


def letter(client: Client, to: str) -> dict[str, Any]:
    """Return what the newest mail to an address says: `code`, `link`, ..."""
    variables: dict[str, Any] = client.mailbox(to=to)[0]["variables"]
    return variables


def token_of(link: str) -> str:
    """Return the token of a mailed link; it stands where no server's log sees it."""
    return link.partition("#")[2]


def link_token(client: Client, to: str) -> str:
    """Return the token of the link in the newest mail to an address."""
    return token_of(letter(client, to)["link"])


def other_code(code: str) -> str:
    """Return a code of the same shape that is certainly wrong."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def later(**passing: float) -> time_machine.travel:
    """Let that much time pass, as in `with later(hours=25):`."""
    return time_machine.travel(datetime.now(UTC) + timedelta(**passing))
