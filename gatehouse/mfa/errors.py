"""Errors of second factors."""

from datetime import datetime

from gatehouse.audit import events
from gatehouse.core.errors import ApiError
from gatehouse.one_time_codes.service import InvalidCode


class FactorVerificationFailed(InvalidCode):
    """The code or link is wrong, has expired, or was used before.

    The attempt was evaluated and counted.
    """

    event = events.Factor.FAILED


class FactorUnavailable(ApiError):
    """This kind of factor cannot be set up here."""

    status = 403
    code = "factor_unavailable"
    next = "Choose another kind of factor."


class ResetNotPending(InvalidCode):
    """The link is wrong, or the reset of the second factors was already done or cancelled."""

    event = events.Factor.RESET_CANCEL_FAILED
    next = "If you have not cancelled it yourself, contact the operator of this service."


class NoSecondFactor(ApiError):
    """This user has no second factor that could be reset."""

    status = 409
    code = "no_second_factor"


class ResetScheduled(ApiError):
    """A reset of the second factors of this user is already scheduled."""

    status = 409
    code = "mfa_reset_scheduled"
    next = "Wait until it is due; the user can cancel it until then."

    def __init__(self, due_at: datetime) -> None:
        due = f"{due_at:%Y-%m-%d %H:%M} UTC"
        super().__init__(f"A reset of the second factors of this user is already due: {due}.")


class PhoneUnverified(ApiError):
    """Your account has no verified phone number to send codes to."""

    status = 409
    code = "phone_unverified"
    next = "Verify a number at POST /auth/phone, or choose another kind of factor."


class MfaEnrolmentOverdue(ApiError):
    """A second factor is required, and the grace period for enrolling one has ended."""

    status = 403
    code = "mfa_enrolment_overdue"
    event = events.Login.REFUSED
    next = "Sign in another way, or contact the operator of this service."


class TooManyFactors(ApiError):
    """You have as many factors as are allowed; remove one first."""

    status = 409
    code = "too_many_factors"
