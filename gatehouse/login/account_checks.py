"""Account checks after authentication.

Account state is disclosed only here, to an authenticated user.
"""

import config
from gatehouse.audit import events
from gatehouse.core.errors import ApiError
from models import User


class AccountDisabled(ApiError):
    """This account is disabled."""

    status = 403
    code = "account_disabled"
    event = events.Login.REFUSED
    next = "Contact the operator of this service."


class EmailUnverified(ApiError):
    """The e-mail address of this account is not verified yet."""

    status = 403
    code = "email_unverified"
    event = events.Login.REFUSED
    next = "Open the e-mail that was sent when you signed up, or reset your password by e-mail."


class PasswordCompromised(ApiError):
    """The password is correct, but it is known from a data breach and must be changed."""

    status = 403
    code = "password_change_required"
    event = events.Login.REFUSED
    next = "Reset your password: request an e-mail at POST /auth/password/forgot."


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
        AccountDisabled: an operator disabled the account.
        EmailUnverified: its e-mail address is not verified, and the settings require that.
    """
    if user.disabled_at:
        raise AccountDisabled(user_id=user.id)
    allowed = config.settings().unsafe_allow_unverified_email
    if user.email_verified_at is None and not allowed:
        raise EmailUnverified(user_id=user.id)
