"""Errors of a sign-in with an identity provider."""

from gatehouse.audit.federation_events import Federation
from gatehouse.core.errors import BEARER_CHALLENGE, ApiError


class ProviderRejected(ApiError):
    """The answer of the identity provider is not valid, so it was not accepted."""

    status = 401
    code = "federation_failed"
    event = Federation.FAILED
    headers = BEARER_CHALLENGE
    next = "Begin the sign-in again; if that does not help, contact the operator of this service."


class FederationDenied(ProviderRejected):
    """The sign-in was cancelled, or denied by the identity provider."""

    status = 403
    code = "federation_denied"
    event = Federation.DENIED
    next = "Begin the sign-in again, or sign in in another way."
    headers = {}


class FederationExpired(ApiError):
    """This sign-in took too long, was completed before, or was begun in another browser."""

    status = 401
    code = "federation_expired"
    headers = BEARER_CHALLENGE
    next = "Begin the sign-in again."


class ProviderUnavailable(ApiError):
    """The identity provider does not answer right now."""

    status = 503
    code = "provider_unavailable"
    event = Federation.UNAVAILABLE
    next = "Try again in a moment, or sign in in another way."
    headers = {"Retry-After": "5"}


class IdentityNotAllowed(ApiError):
    """Accounts like this one at the identity provider cannot be used here."""

    status = 403
    code = "identity_not_allowed"
    event = Federation.REFUSED
    next = "Use another account of the provider, or contact the operator of this service."


class IdentityNotLinked(ApiError):
    """This account at the identity provider belongs to no account of this service yet."""

    status = 403
    code = "identity_not_linked"
    event = Federation.REFUSED
    next = "Sign in in another way, or sign up; then link the account of the provider."


class IdentityTaken(ApiError):
    """This account at the identity provider is linked to another account of this service."""

    status = 409
    code = "identity_taken"
    event = Federation.REFUSED
    next = "Sign in with it, and unlink it there first."


class LastSignInMethod(ApiError):
    """This is the only way in which you can sign in, so it cannot be removed."""

    status = 409
    code = "last_sign_in_method"
    next = "Set a password or add a passkey first."


class ReturnAddressNotAllowed(ApiError):
    """The browser may not be sent back to this address."""

    status = 403
    code = "return_to_not_allowed"
    next = "Use an address of the public URL, or of an origin in GATEHOUSE_ALLOWED_ORIGINS."
