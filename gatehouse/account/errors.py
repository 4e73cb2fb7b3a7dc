"""Errors of password reset, e-mail and phone changes, and MFA recovery."""

from gatehouse.audit import events
from gatehouse.core.errors import ApiError
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.passwords.errors import InvalidCredentials


class PasswordResetFailed(InvalidCode):
    """The code or link is wrong, has expired, or was used before."""

    event = events.PasswordReset.FAILED
    next = "If you have set a new password already, sign in with it. Otherwise request a new one."


class EmailRevertFailed(InvalidCode):
    """The link is wrong, has expired or was used before, or the address has a new account."""

    event = events.Identifier.EMAIL_REVERT_FAILED
    next = "If you have not used it yourself, contact the operator of this service."


class RestorationFailed(InvalidCode):
    """The link is wrong or was used before, or the account has been erased."""

    event = events.Account.RESTORATION_FAILED
    next = "Contact the operator of this service, or create a new account."


class PhoneVerificationFailed(InvalidCode):
    """The code is wrong, has expired, or was used before."""

    event = events.Identifier.PHONE_VERIFICATION_FAILED


class PhoneTaken(ApiError):
    """The code is correct, but another account has verified this number meanwhile."""

    status = 409
    code = "phone_taken"
    event = events.Identifier.PHONE_TAKEN
    next = "Use another number, or sign in to the account that has this one."


class MfaRecoveryFailed(InvalidCode):
    """The code is wrong, has expired, was used before, or was requested elsewhere."""

    event = events.Factor.MFA_RECOVERY_FAILED


class MfaRecoveryPasswordWrong(InvalidCredentials):
    """The code is correct, but the password is wrong."""

    event = events.Factor.MFA_RECOVERY_FAILED


class ProofsNotIndependent(ApiError):
    """Code and password are correct, but this password does not count for MFA recovery.

    It was set with a link or code only, or is known from a data breach. It counts again once it
    was used together with a second factor.
    """

    status = 403
    code = "proofs_not_independent"
    event = events.Factor.MFA_RECOVERY_FAILED
    next = (
        "Send a recovery code instead. If the password was reset by text message and your only"
        " second factor is a text message, too, send a code by e-mail. Otherwise contact the"
        " operator of this service."
    )
