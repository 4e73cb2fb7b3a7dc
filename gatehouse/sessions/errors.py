"""Why a session does not go on."""

from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.core.errors import Refusal
from gatehouse.tokens.errors import INVALID


class SessionEnded(Refusal):
    """The session was ended, or has reached its limit."""

    status = 401
    code = "session_ended"
    event = events.Token.REFUSED
    next = "Sign in again."
    headers = INVALID


class SessionRefused(SessionEnded):
    """The session was ended, or has reached its limit.

    It was to go on from where, or with what, the policy does not let it: an operator is told why.
    """

    event = events.Session.REFUSED


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


class InsufficientUserAuthentication(Refusal):
    """This needs a proof of who you are that is newer, or stronger, than your session's."""

    status = 401
    code = "insufficient_user_authentication"
    next = "Send POST /auth/reauthenticate, then the request again with the new access token."

    def __init__(self, max_age: int, acr: str) -> None:
        super().__init__()
        challenge = f'acr_values="{acr}", max_age="{max_age}"'  # RFC 9470 section 3
        self.headers = {
            "WWW-Authenticate": f'Bearer realm="gatehouse", error="{self.code}", {challenge}'
        }
