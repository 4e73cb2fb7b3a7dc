"""The advisory locks of users and recipients: first the user, then the recipient."""

from uuid import UUID

from gatehouse.database.session import advisory_lock
from gatehouse.messaging import recipient_limits


def lock_recipient(canonical: str) -> None:
    """Lock the mailbox of a canonical e-mail address, or a number, until the transaction ends.

    Lock users before. Sub-addresses have one lock, because they share limits.
    """
    advisory_lock(f"recipient:{recipient_limits.mailbox_of(canonical)}")


def user_lock_key(user_id: UUID) -> str:
    """Return the `advisory_lock` key for changes to a user's credentials, e-mail and phone.

    Lock it before any of the user's codes, or two transactions that delete codes could deadlock.
    """
    return f"account:{user_id}"
