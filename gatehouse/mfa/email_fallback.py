"""E-mail OTP as a one-off second factor for users who have enrolled none.

It verifies the mailbox in addition to the first factor. It does not reach AAL2 and enrols nothing.
"""

from collections.abc import Sequence
from uuid import UUID

from gatehouse.mfa import registry
from models import Credential, User

KIND = "email"


def is_available(user: User, amr: Sequence[str]) -> bool:
    """Return whether an e-mail OTP is possible and independent of the methods in `amr`.

    `GATEHOUSE_FACTORS` must enable e-mail, and the user's e-mail address must be verified.
    """
    return user.email_verified_at is not None and registry.is_independent(KIND, amr)


def build_credential(user_id: UUID, factor_id: UUID) -> Credential:
    """Return an unsaved credential that stands in for an enrolled e-mail factor."""
    return Credential(id=factor_id, user_id=user_id, kind=KIND, label=KIND)
