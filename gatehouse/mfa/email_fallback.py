"""A code by mail that stands in for a second factor, in one login of somebody who has none.

It proves the mailbox beside the first step. It raises no session, and is no factor of theirs later.
"""

from collections.abc import Sequence
from uuid import UUID

from gatehouse.mfa import registry
from models import Credential, User

KIND = "email"


def possible(user: User, amr: Sequence[str]) -> bool:
    """Tell whether a code can be mailed to somebody who has proved `amr`, and adds to that.

    The operator's list of factors has to allow e-mail, and the address has to be proved.
    """
    return user.email_verified_at is not None and registry.adds(KIND, amr)


def factor(user_id: UUID, factor_id: UUID) -> Credential:
    """Return what is asked for in the place of a factor; it is written nowhere."""
    return Credential(id=factor_id, user_id=user_id, kind=KIND, label=KIND)
