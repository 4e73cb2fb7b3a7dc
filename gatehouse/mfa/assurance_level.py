"""The assurance level that an account can reach, and that changes of it require."""

from datetime import timedelta
from functools import partial
from uuid import UUID

from gatehouse.database.session import add_check_before_writes
from gatehouse.mfa import credential_store, registry
from gatehouse.passwords import service as passwords
from gatehouse.sessions import assurance
from gatehouse.sessions.guards import RECENT, require_recent_authentication
from gatehouse.tokens.service import AccessToken

PASSKEY = "passkey"


def max_assurance_level(user_id: UUID) -> str:
    """Return the highest level that sessions of a user can have: AAL2 with a strong factor.

    Without a password the first factor is the mailbox, so only a passkey reaches AAL2.
    """
    kinds = {
        row.kind for row in credential_store.list_confirmed(user_id) if registry.is_strong(row.kind)
    }
    has_first_factor = PASSKEY in kinds or passwords.get(user_id) is not None
    return assurance.AAL2 if kinds and has_first_factor else assurance.AAL1


def require_max_assurance_level(caller: AccessToken, max_age: timedelta = RECENT) -> None:
    """Check that the caller authenticated within `max_age`, at the account's highest level.

    It is checked now, and again under the locks of the request's write transaction: a request in
    parallel may remove or confirm a factor.

    Raises:
        InsufficientUserAuthentication: not recent or not high enough (ASVS V7.5.1, NIST
            SP 800-63B-4 section 4.1.2.1).
    """
    check = partial(check_max_assurance_level, caller, max_age)
    check()
    add_check_before_writes(check)


def require_second_factor_if_enrolled(caller: AccessToken) -> None:
    """Check that a caller who has a strong factor used it recently, at most ten minutes ago.

    Raises:
        InsufficientUserAuthentication: the caller has one, and did not.
    """
    if max_assurance_level(UUID(caller.sub)) == assurance.AAL2:
        require_max_assurance_level(caller)


def check_max_assurance_level(caller: AccessToken, max_age: timedelta = RECENT) -> None:
    """Check the same as `require_max_assurance_level`, now only.

    Raises:
        InsufficientUserAuthentication: not recent or not high enough.
    """
    require_recent_authentication(caller, max_assurance_level(UUID(caller.sub)), max_age)
