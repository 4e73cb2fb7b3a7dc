"""Codes and links of e-mails, and time travel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine

from tests.client import Client


def read_mail(client: Client, to: str) -> dict[str, Any]:
    """Return the variables of the newest e-mail to an address: `code`, `link`, ..."""
    variables: dict[str, Any] = client.mailbox(to=to)[0]["variables"]
    return variables


def token_of(link: str) -> str:
    """Return the token of a link, which is its fragment."""
    return link.partition("#")[2]


def read_link_token(client: Client, to: str) -> str:
    """Return the token of the link in the newest e-mail to an address."""
    return token_of(read_mail(client, to)["link"])


def wrong_code(code: str) -> str:
    """Return a code of the same shape that is certainly wrong."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def advance_clock(**duration: float) -> time_machine.travel:
    """Move the clock forward, as in `with advance_clock(hours=25):`."""
    return time_machine.travel(datetime.now(UTC) + timedelta(**duration))
