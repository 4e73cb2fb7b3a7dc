"""What a wrong password is answered with, wherever it is asked for."""

from gatehouse.audit import events
from gatehouse.core.errors import BEARER, Refusal


class InvalidCredentials(Refusal):
    """The identifier or the password is wrong."""

    status = 401
    code = "invalid_credentials"
    event = events.Login.FAILED
    headers = BEARER
