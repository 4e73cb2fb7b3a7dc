"""Why an account is not made or changed."""

from gatehouse.audit import events
from gatehouse.core.errors import Refusal
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.tokens.errors import TokenRevoked


class UsernameTaken(Refusal):
    """Somebody else has this username."""

    status = 409
    code = "username_taken"
    next = "Choose another username."


class AccountGone(TokenRevoked):
    """The account of this token was deleted."""


class RegistrationProofFailed(InvalidCode):
    """The code or the link is wrong, has expired, or was used before."""

    event = events.Registration.PROOF_FAILED


class CodeTypedElsewhere(RegistrationProofFailed):
    """The code is right, but it was asked for from elsewhere, perhaps by somebody else."""

    next = (
        "Send the password along with the code, open the link of the mail, "
        "or begin anew from where you are."
    )


class RegistrationPasswordWrong(InvalidCredentials):
    """Code or link is right, but this is not the password that was chosen when registering."""

    event = events.Registration.PROOF_FAILED


class InvitationFailed(InvalidCode):
    """The invitation is wrong, has expired, or was used before."""

    event = events.Invitation.FAILED
