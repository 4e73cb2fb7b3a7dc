"""Errors of creating, verifying and changing accounts."""

from collections.abc import Mapping

from gatehouse.audit import events
from gatehouse.core.errors import ApiError
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.tokens.errors import TokenMissing, TokenRevoked


class UsernameTaken(ApiError):
    """This username is taken."""

    status = 409
    code = "username_taken"
    next = "Choose another username."


class UsernameReserved(UsernameTaken):
    """This username is reserved for the service and its staff."""


class RegistrationClosed(ApiError):
    """This service does not accept new accounts this way."""

    status = 403
    code = "registration_closed"
    next = "Ask the operator of this service for an invitation."


class EmailTaken(ApiError):
    """Another account has this e-mail address."""

    status = 409
    code = "email_taken"
    next = "Search for the account with this e-mail address, or use another one."


class UserDeleted(ApiError):
    """This user is deleted; restore it first."""

    status = 409
    code = "user_deleted"
    next = "POST /admin/users/{id}/restore restores it."


class UserNotDeleted(ApiError):
    """This user is not deleted, so there is nothing to restore."""

    status = 409
    code = "user_not_deleted"


class UserErased(ApiError):
    """The grace period of this user is over; the data is being erased."""

    status = 409
    code = "user_erased"


class AccountDeleted(TokenRevoked):
    """The account of this token has been deleted."""


class AttributesDoNotFit(ApiError):
    """Users have attributes that this profile schema does not accept; see `errors`."""

    status = 409
    code = "attributes_do_not_fit"
    next = (
        "Change these attributes first, or accept them; `gatehouse profile check` lists all users."
    )

    def __init__(self, count: int, errors: Mapping[str, list[dict[str, str]]]) -> None:
        super().__init__(f"{count} users have attributes that this profile schema does not accept.")
        self.errors = errors

    @property
    def members(self) -> dict[str, object]:
        """The errors of the first users, by id and attribute, without any value."""
        return super().members | {"errors": self.errors}


class EmailVerificationFailed(InvalidCode):
    """The code or link is wrong, has expired, or was used before."""

    event = events.Registration.VERIFICATION_FAILED
    next = "If you have confirmed already, sign in. Otherwise request a new one."


class VerifierMissing(TokenMissing):
    """The code alone verifies nothing."""

    next = (
        "Send the registration_token of the sign-up or the password with the code,"
        " or the access token of the account whose address changes."
    )


class RegistrationPasswordWrong(InvalidCredentials):
    """The code or link is correct, but the password is not the one chosen at sign-up."""

    event = events.Registration.VERIFICATION_FAILED


class InvitationFailed(InvalidCode):
    """The invitation link is wrong, has expired, or was used before."""

    event = events.Invitation.FAILED
    next = "If you have accepted it already, sign in. Otherwise ask for a new invitation."
