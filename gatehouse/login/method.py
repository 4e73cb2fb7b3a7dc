"""The contract of a login method."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from marshmallow import Schema

from gatehouse.passwords.service import Hashed
from gatehouse.sessions.token_response import Transport
from gatehouse.web.fields import Form
from gatehouse.web.request_context import Visitor


class LoginForm(Form):
    """What every way to sign in asks: whether the tokens come in the body or in cookies."""

    transport = Transport()


@dataclass(frozen=True)
class Captcha:
    """An answer to a CAPTCHA that came along, perhaps spent on the way."""

    answer: str | None
    solved: bool


@dataclass(frozen=True)
class Proof:
    """What a method established: whose account, and how (RFC 8176 values)."""

    user_id: UUID
    amr: tuple[str, ...]
    password: Hashed | None = None
    """The stored password that was verified, where one was."""
    fresh: Hashed | None = None
    """The same password hashed anew, where the stored hash is stale."""
    failures: int | None = None
    """Wrong passwords in a row from the device or the network before it, where they are counted."""
    strangers: int | None = None
    """And from all unknown devices; 0 on a known one."""
    breached: bool | None = None
    """Whether the password stands in a list of stolen ones, where somebody looked."""
    captcha: Captcha | None = None
    """What was answered to a CAPTCHA, where the way takes one."""
    spend: Callable[[], object] | None = None
    """Uses up what works once, in the transaction that signs in."""


class Method(Protocol):
    """A way to prove who one is."""

    schema: type[Schema]

    def prove(self, form: dict[str, Any], visitor: Visitor) -> Proof:
        """Return whose account it is, and take the same time for unknown ones.

        Raises:
            Refusal: nothing was proved.
        """
        ...
