"""The contract of a login method."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from marshmallow import Schema

from gatehouse.passwords.service import PasswordHash
from gatehouse.sessions.token_response import TokenTransport
from gatehouse.web.fields import Form
from gatehouse.web.request_context import RequestContext


class LoginForm(Form):
    """The field of every login form: whether tokens are returned in the body or in cookies."""

    transport = TokenTransport()


@dataclass(frozen=True)
class CaptchaAnswer:
    """The CAPTCHA answer of a login form; `solved` if it was already verified and consumed."""

    answer: str | None
    solved: bool


@dataclass(frozen=True)
class AuthenticationResult:
    """The authenticated user, and how they authenticated (`amr`: RFC 8176 values)."""

    user_id: UUID
    amr: tuple[str, ...]
    password_hash: PasswordHash | None = None
    """The stored password hash that was verified, if the method uses a password."""
    rehashed: PasswordHash | None = None
    """A new hash of the same password, if the stored one has outdated parameters."""
    failures_here: int | None = None
    """Consecutive wrong passwords just before, from the same device or network, if counted."""
    failures_from_unknown_devices: int | None = None
    """The same from all unknown devices together; 0 on a known device."""
    breached: bool | None = None
    """Whether the password is in the local list of breached passwords; None if not checked."""
    captcha: CaptchaAnswer | None = None
    """The CAPTCHA answer, if the method accepts one."""
    consume: Callable[[], object] | None = None
    """Consumes the one-time credential, in the transaction that opens the session."""


class LoginMethod(Protocol):
    """A way to authenticate, such as a password, a passkey or a link."""

    schema: type[Schema]

    def authenticate(self, form: dict[str, Any], context: RequestContext) -> AuthenticationResult:
        """Authenticate the user of a login form; takes as long for unknown users.

        Raises:
            ApiError: the user is not authenticated.
        """
        ...
