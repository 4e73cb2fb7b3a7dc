"""Counting of attempts at one-time codes, for every route that accepts one."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

from gatehouse.database.session import end_transaction
from gatehouse.devices import service as devices
from gatehouse.lockout import service as lockout
from gatehouse.lockout.backoff import CODE
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import notifications
from gatehouse.users.service import UNKNOWN_USER_ID
from gatehouse.web.request_context import RequestContext


@contextmanager
def counted_attempt(
    subject: UUID | str, context: RequestContext, error_type: type[InvalidCode] = InvalidCode
) -> Iterator[None]:
    """Count an attempt at a code before the block verifies it; a new code resets no count.

    `subject` is a user's id, or the canonical form of an unknown identifier. Any error but
    `InvalidCode` withdraws the count, because the code was not evaluated.

    Raises:
        InvalidCode: the block raised it; it is raised again as `error_type`.
        TooManyAttempts: too many codes were wrong; the block did not run.
    """
    device = devices.find_device(subject if isinstance(subject, UUID) else UNKNOWN_USER_ID, context)
    end_transaction()
    attempt = lockout.count_attempt(subject, device.id if device else None, context, CODE)
    try:
        yield
    except InvalidCode:
        error = error_type(user_id=attempt.user_id)
        error.on_rollback = partial(notifications.on_failed_attempt, attempt, context)
        raise error from None
    except BaseException:
        lockout.withdraw_attempt(attempt)
        raise
    lockout.reset_counters(attempt)
