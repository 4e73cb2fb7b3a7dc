"""What can still refuse somebody who has proved who they are: only now is state told."""

import config
from gatehouse.audit import events
from gatehouse.core.errors import Refusal
from models import User


class AccountDisabled(Refusal):
    """The account is disabled."""

    status = 403
    code = "account_disabled"
    event = events.Login.REFUSED
    next = "Ask the people who run this service."


class EmailUnverified(Refusal):
    """The address of the account is not proved yet."""

    status = 403
    code = "email_unverified"
    event = events.Login.REFUSED
    next = "Open the mail that was sent when you registered, or choose a new password by mail."


class PasswordCompromised(Refusal):
    """This password is right, but others know it, so it has to be changed."""

    status = 403
    code = "password_change_required"
    event = events.Login.REFUSED
    next = "Choose a new password: ask for one by mail at POST /auth/password/forgot."


def pass_with_password(user: User, is_flagged: bool) -> None:
    """Return if nothing stands against the password that was right; its age never does.

    Raises:
        PasswordCompromised: it was flagged (NIST SP 800-63B-4 section 3.1.1.2 (6)).
    """
    if is_flagged:
        raise PasswordCompromised(user_id=user.id)


def pass_all(user: User) -> None:
    """Return if nothing stands against signing in.

    Raises:
        AccountDisabled, EmailUnverified: something does.
    """
    if user.disabled_at:
        raise AccountDisabled(user_id=user.id)
    allowed = config.settings().unsafe_allow_unverified_email
    if user.email_verified_at is None and not allowed:
        raise EmailUnverified(user_id=user.id)
