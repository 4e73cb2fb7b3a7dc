"""Errors of passkeys. The audit event's `reason` says which rule was broken."""

from gatehouse.audit import events
from gatehouse.core.errors import ApiError, MalformedRequest
from gatehouse.one_time_codes.service import InvalidCode


class MalformedCredential(MalformedRequest):
    """The credential is not in the format that WebAuthn Level 3 defines."""


class PasskeyRejected(InvalidCode):
    """The passkey is unknown, or its response does not match the options or came too late."""

    event = events.Passkey.REFUSED
    next = "Ask for new options, then try again."


class PasskeyCloned(PasskeyRejected):
    """The passkey's signature counter did not increase; the passkey may have been copied."""

    event = events.Passkey.CLONE_SUSPECTED
    next = "Sign in another way, and remove this passkey."


class PasskeyOutdated(PasskeyRejected):
    """The passkey has changed since it was set up: now it is synced, or no longer."""

    next = "Sign in another way, remove this passkey, and set it up anew."


class AuthenticatorNotAllowed(ApiError):
    """Only certain authenticators are allowed here, and this one could not be verified as one."""

    code = "authenticator_not_allowed"
    next = "Use another authenticator; the operator of this service knows which ones are allowed."
