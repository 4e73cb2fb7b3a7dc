"""What can still refuse somebody who has proved who they are: only now is state told."""

import config
from gatehouse.audit import events
from gatehouse.foundation.errors import Refusal
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
    next = "Open the mail that was sent when you registered, or register again."


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
