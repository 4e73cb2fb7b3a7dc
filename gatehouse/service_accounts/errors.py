"""Errors of service accounts and API keys."""

from gatehouse.core.errors import ApiError
from gatehouse.tokens.errors import INVALID_TOKEN


class ApiKeyRejected(ApiError):
    """The API key cannot be used."""

    status = 401
    headers = INVALID_TOKEN


class ApiKeyInvalid(ApiKeyRejected):
    """There is no such API key: it is incomplete, was mistyped, or was deleted long ago."""

    code = "api_key_invalid"
    next = "Check that you sent the whole key. A new key works everywhere within a second."


class ApiKeyRevoked(ApiKeyRejected):
    """The API key was revoked, or its service account was deleted."""

    code = "api_key_revoked"
    next = "Ask the owner of the service account for a new key."


class ApiKeyExpired(ApiKeyRejected):
    """The API key has expired."""

    code = "api_key_expired"
    next = "Ask the owner of the service account for a new key."


class ApiKeyDisabled(ApiKeyRejected):
    """The service account of this API key is disabled, or has no active owner."""

    code = "api_key_disabled"
    next = "Ask an administrator to enable the service account, or to give it another owner."


class ApiKeyNetwork(ApiKeyRejected):
    """The API key cannot be used from this network."""

    code = "api_key_network"
    next = "Use it from one of its networks, or ask for a key with other ones."


class PersonRequired(ApiError):
    """An API key cannot do this: it needs an administrator who is signed in."""

    status = 403
    code = "person_required"
    next = "Sign in as an administrator, with a second factor."


class ServiceAccountExists(ApiError):
    """There is a service account of this name."""

    status = 409
    code = "service_account_exists"
    next = "Choose another name."


class TooManyKeys(ApiError):
    """The service account has ten active API keys already."""

    status = 409
    code = "too_many_keys"
    next = "Revoke a key that is not used any more."


class ApiKeyEnded(ApiError):
    """The API key has expired, was revoked or was replaced, so it cannot be rotated."""

    status = 409
    code = "api_key_ended"
    next = "Create a new key."
