"""Why a factor is not taken, and why it is not had."""

from gatehouse.audit import events
from gatehouse.core.errors import Refusal
from gatehouse.one_time_codes.service import InvalidCode


class FactorWrong(InvalidCode):
    """The code or the link is wrong, has expired, or was used before.

    The guess was evaluated and counted.
    """

    event = events.Factor.FAILED


class FactorNotOffered(Refusal):
    """This kind of factor cannot be set up here."""

    status = 403
    code = "factor_not_offered"
    next = "Choose another kind."


class ResetNotWaiting(InvalidCode):
    """The link is wrong, or the reset of the second factors was done or stopped before."""

    event = events.Factor.RESET_CANCEL_FAILED
    next = "Ask the people who run this service."


class PhoneUnproven(Refusal):
    """There is no proven number that codes could be texted to."""

    status = 409
    code = "phone_unproven"
    next = "Prove a number at POST /auth/phone, or choose another kind."


class GraceOver(Refusal):
    """You must have a second factor, and your first step alone is too late to set one up."""

    status = 403
    code = "mfa_grace_over"
    event = events.Login.REFUSED
    next = "Sign in in another way, or ask the people who run this service."


class TooManyFactors(Refusal):
    """You have as many factors as one can have; remove one first."""

    status = 409
    code = "too_many_factors"
