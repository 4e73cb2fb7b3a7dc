"""Errors for tokens that are missing, invalid, expired or revoked."""

from collections.abc import Mapping

from gatehouse.audit import events
from gatehouse.core.errors import BEARER_CHALLENGE, ApiError

INVALID_TOKEN: Mapping[str, str] = {
    "WWW-Authenticate": 'Bearer realm="gatehouse", error="invalid_token"'  # RFC 6750 section 3.1
}
SIGN_IN = "Refresh the tokens, or sign in again."


class TokenMissing(ApiError):
    """This request needs an access token: send `Authorization: Bearer ...`."""

    status = 401
    code = "token_missing"
    next = "Sign in."
    headers = BEARER_CHALLENGE  # no error code without credentials, RFC 6750 section 3.1


class TokenInvalid(ApiError):
    """The token is malformed, is of another type, or was not signed by this service."""

    status = 401
    code = "token_invalid"
    next = SIGN_IN
    headers = INVALID_TOKEN


class ApiKeyNotAccepted(TokenInvalid):
    """API keys are not accepted here, only for administration and at gateways."""

    code = "api_key_not_accepted"
    next = "Sign in, and send an access token."


class TokenExpired(ApiError):
    """The token has expired."""

    status = 401
    code = "token_expired"
    next = SIGN_IN
    headers = INVALID_TOKEN


class TokenRevoked(ApiError):
    """The session of this token has ended."""

    status = 401
    code = "token_revoked"
    next = "Sign in again."
    headers = INVALID_TOKEN


class RefreshTokenMissing(TokenMissing):
    """This request needs a refresh token: send it in `refresh_token`, or log in with cookies."""


class RefreshTokenInvalid(TokenInvalid):
    """The refresh token is malformed, is of another type, or was not signed by this service."""

    event = events.Token.REFUSED


class RefreshTokenExpired(TokenExpired):
    """The refresh token has expired: the session was not refreshed in time."""

    event = events.Token.REFUSED
