"""Errors of sessions: ended, token reused, or too weakly authenticated."""

from collections.abc import Callable
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.administration_events import Impersonation
from gatehouse.core.errors import ApiError
from gatehouse.tokens.errors import INVALID_TOKEN


class SessionEnded(ApiError):
    """The session has ended."""

    status = 401
    code = "session_ended"
    event = events.Token.REFUSED
    next = "Sign in again."
    headers = INVALID_TOKEN


class SessionRejected(SessionEnded):
    """The session has ended.

    The risk policy ended it, because of where or how it was used; the audit event says why.
    """

    event = events.Session.REFUSED


class RefreshTokenReused(ApiError):
    """The refresh token was used before and may have been stolen, so the session was ended."""

    status = 401
    code = "refresh_token_reused"
    event = events.Session.REFRESH_REUSED
    next = "Sign in again."
    headers = INVALID_TOKEN

    def __init__(self, user_id: UUID, session_id: UUID, on_rollback: Callable[[], object]) -> None:
        super().__init__(user_id=user_id, session_id=session_id)
        self.on_rollback = on_rollback


class ImpersonationNotAllowed(ApiError):
    """You act as this user, and only the user may do this."""

    status = 403
    code = "impersonation_not_allowed"
    event = Impersonation.REFUSED
    next = "Ask the user to do it, or use the administration with your own account."


class OwnAccount(ImpersonationNotAllowed):
    """This is your own account, so you cannot act as its user."""

    next = "Use your own access token."


class UserNotActive(ApiError):
    """This user is disabled or has not verified the e-mail address, so no one can act as them."""

    status = 409
    code = "user_not_active"
    next = "Enable the user or verify the e-mail address first."


class InsufficientUserAuthentication(ApiError):
    """This needs a more recent or a stronger authentication."""

    status = 401
    code = "insufficient_user_authentication"
    next = (
        "Call POST /auth/reauthenticate, then repeat the request with the new access token. "
        "Without a second factor where one is needed, set one up first: POST /auth/mfa/factors."
    )

    def __init__(self, max_age: int | None, acr: str) -> None:
        super().__init__()
        challenge = f'acr_values="{acr}"'  # RFC 9470 section 3
        challenge += "" if max_age is None else f', max_age="{max_age}"'
        self.headers = {
            "WWW-Authenticate": f'Bearer realm="gatehouse", error="{self.code}", {challenge}'
        }
