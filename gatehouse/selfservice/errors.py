"""Why a password or an address is not changed."""

from gatehouse.audit import events
from gatehouse.tokens.challenges import InvalidCode


class RecoveryFailed(InvalidCode):
    """The code or the link is wrong, has expired, or was used before."""

    event = events.Recovery.FAILED


class UndoFailed(InvalidCode):
    """The link is wrong, has expired, was used before, or the address has an account again."""

    event = events.Address.EMAIL_UNDO_FAILED
    next = "Ask the people who run this service."


class PhoneProofFailed(InvalidCode):
    """The code is wrong, has expired, or was used before."""

    event = events.Address.PHONE_PROOF_FAILED
