"""The error for wrong credentials, shared by all routes that check a password."""

from gatehouse.audit import events
from gatehouse.core.errors import BEARER_CHALLENGE, ApiError


class InvalidCredentials(ApiError):
    """The identifier or the password is wrong."""

    status = 401
    code = "invalid_credentials"
    event = events.Login.FAILED
    headers = BEARER_CHALLENGE
