"""Why a password or an address is not changed, and why a lost factor is not reset."""

from gatehouse.audit import events
from gatehouse.core.errors import Refusal
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.passwords.errors import InvalidCredentials


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


class LossUnproved(InvalidCode):
    """The code is wrong, has expired, was used before, or was asked for elsewhere."""

    event = events.Factor.LOSS_UNPROVED


class LossPasswordWrong(InvalidCredentials):
    """The code is right, but this is not the password of the account."""

    event = events.Factor.LOSS_UNPROVED


class ProofsNotIndependent(Refusal):
    """Both are right, but this password was chosen with a message, or is known to others.

    So it proves no more than the code does, until a second factor is proved beside it.
    """

    status = 403
    code = "proofs_not_independent"
    event = events.Factor.LOSS_UNPROVED
    next = "Send a recovery code instead, or ask the people who run this service."
