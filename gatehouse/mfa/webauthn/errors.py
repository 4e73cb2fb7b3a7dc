"""Why the answer of a passkey is not accepted. The audit learns which rule it broke."""

from gatehouse.audit import events
from gatehouse.core.errors import MalformedRequest, Refusal
from gatehouse.one_time_codes.service import InvalidCode


class MalformedCredential(MalformedRequest):
    """The credential is not written as the standard wants it (WebAuthn Level 3)."""


class PasskeyRefused(InvalidCode):
    """The passkey does not answer what was asked, or was asked too long ago, or is not known."""

    event = events.Passkey.REFUSED
    next = "Ask for new options, then try again."


class PasskeyCopied(PasskeyRefused):
    """The passkey counts fewer signatures than it has made: perhaps somebody has a copy of it."""

    event = events.Passkey.COUNTER_FELL
    next = "Sign in another way, and remove this passkey."


class AuthenticatorNotAllowed(Refusal):
    """The operator allows only certain authenticators, and this one does not prove to be one."""

    code = "authenticator_not_allowed"
    next = "Use another authenticator; the people who run this service know which."
