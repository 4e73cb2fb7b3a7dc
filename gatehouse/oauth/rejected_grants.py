"""Codes and tokens that were presented by the wrong client, or without what they are bound to."""

from typing import NoReturn

from gatehouse.database.session import end_transaction
from gatehouse.oauth.errors import InvalidGrant
from gatehouse.web import rate_limits


def reject_foreign() -> NoReturn:
    """Reject a code or token that exists, but not for this request; count it for the network.

    Raises:
        InvalidGrant: always, as for one that does not exist.
        RateLimited: there were too many of these before.
    """
    end_transaction()
    rate_limits.require_quota("grant")
    rate_limits.count_hit("grant")
    raise InvalidGrant
