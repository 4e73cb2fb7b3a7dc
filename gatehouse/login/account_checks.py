"""Account checks after authentication.

Account state is disclosed only here, to an authenticated user.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, select

import config
from gatehouse.audit import events
from gatehouse.core.errors import ApiError
from gatehouse.database.session import db
from gatehouse.mfa import registry
from gatehouse.users import service as users
from gatehouse.users.service import UserWithProfile
from models import Credential, User

_has_enrolled_factor = (
    select(Credential.id)
    .where(Credential.user_id == User.id, Credential.confirmed_at.is_not(None))
    .where(Credential.kind.in_(bindparam("kinds", expanding=True)))
    .exists()
)
SELECT_ACCOUNT = select(
    User, _has_enrolled_factor.label("has_factor"), *users.profile_columns()
).where(User.id == bindparam("user_id"))


class AccountDisabled(ApiError):
    """This account is disabled."""

    status = 403
    code = "account_disabled"
    event = events.Login.REFUSED
    next = "Contact the operator of this service."


class AccountAwaitsErasure(AccountDisabled):
    """This account is deleted, and its data is erased soon."""

    next = "To keep the account, open the link in the e-mail about its deletion."


class EmailUnverified(ApiError):
    """The e-mail address of this account is not verified yet."""

    status = 403
    code = "email_unverified"
    event = events.Login.REFUSED
    next = "Open the e-mail that was sent when you signed up, or reset your password by e-mail."


class PasswordCompromised(ApiError):
    """The password is correct, but it must be changed before you can sign in with it."""

    status = 403
    code = "password_change_required"
    event = events.Login.REFUSED
    next = "Reset your password: request an e-mail at POST /auth/password/forgot."


def load_account(user_id: UUID) -> tuple[UserWithProfile | None, bool]:
    """Load a user, and whether a second factor is enrolled, in one statement."""
    parameters = {"user_id": user_id, "kinds": registry.second_factor_kinds()}
    found = db.session.execute(SELECT_ACCOUNT, parameters).one_or_none()
    if found is None:
        return None, False
    return users.build_user_with_profile(found.User, found), found.has_factor


def can_receive_otp(user: User, amr: Sequence[str]) -> bool:
    """Return whether an e-mail OTP is possible and independent of the methods in `amr`.

    `GATEHOUSE_FACTORS` must enable e-mail, and the user's e-mail address must be verified.
    """
    return user.email_verified_at is not None and registry.is_independent(registry.EMAIL, amr)


def require_uncompromised_password(user: User, is_compromised: bool) -> None:
    """Require that the verified password is not flagged as compromised; its age does not matter.

    Raises:
        PasswordCompromised: it is flagged (NIST SP 800-63B-4 section 3.1.1.2 (6)).
    """
    if is_compromised:
        raise PasswordCompromised(user_id=user.id)


def require_active_account(user: User) -> None:
    """Require that the account may sign in.

    Raises:
        AccountDisabled: an operator disabled the account, or it is deleted.
        EmailUnverified: its e-mail address is not verified, and the settings require that.
    """
    if user.deleted_at:
        raise AccountAwaitsErasure(user_id=user.id)
    if user.disabled_at:
        raise AccountDisabled(user_id=user.id)
    allowed = config.settings().unsafe_allow_unverified_email
    if user.email_verified_at is None and not allowed:
        raise EmailUnverified(user_id=user.id)
