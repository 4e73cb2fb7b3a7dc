"""Why a token is refused."""

from collections.abc import Mapping

from gatehouse.audit import events
from gatehouse.core.errors import BEARER, Refusal

INVALID: Mapping[str, str] = {
    "WWW-Authenticate": 'Bearer realm="gatehouse", error="invalid_token"'  # RFC 6750 section 3.1
}
SIGN_IN = "Refresh the tokens, or sign in again."


class TokenMissing(Refusal):
    """This needs an access token: send `Authorization: Bearer ...`."""

    status = 401
    code = "token_missing"
    next = "Sign in."
    headers = BEARER  # no error code without credentials, RFC 6750 section 3.1


class TokenInvalid(Refusal):
    """The token is broken, was signed by somebody else, or is of another kind."""

    status = 401
    code = "token_invalid"
    next = SIGN_IN
    headers = INVALID


class TokenExpired(Refusal):
    """The token has expired."""

    status = 401
    code = "token_expired"
    next = SIGN_IN
    headers = INVALID


class TokenRevoked(Refusal):
    """The session of this token was ended."""

    status = 401
    code = "token_revoked"
    next = "Sign in again."
    headers = INVALID


class RefreshTokenMissing(TokenMissing):
    """This needs a refresh token: send it in `refresh_token`, or log in with cookies."""


class RefreshTokenInvalid(TokenInvalid):
    """The refresh token is broken, was signed by somebody else, or is of another kind."""

    event = events.Token.REFUSED


class RefreshTokenExpired(TokenExpired):
    """The refresh token has expired: nobody refreshed the session for too long."""

    event = events.Token.REFUSED
