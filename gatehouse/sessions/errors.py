"""Why a session does not go on."""

from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.foundation.errors import Refusal
from gatehouse.tokens.errors import INVALID


class SessionEnded(Refusal):
    """The session was ended, or has reached its limit."""

    status = 401
    code = "session_ended"
    event = events.Token.REFUSED
    next = "Sign in again."
    headers = INVALID


class RefreshTokenReused(Refusal):
    """The refresh token was used before, so somebody may have stolen it; the session has ended."""

    status = 401
    code = "refresh_token_reused"
    event = events.Session.REUSED
    next = "Sign in again."
    headers = INVALID

    def __init__(self, user_id: UUID, session_id: UUID, aftermath: Any) -> None:
        super().__init__(user_id=user_id, session_id=session_id)
        self.aftermath = aftermath
