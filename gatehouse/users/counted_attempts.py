"""Settling of attempts at passwords and codes that the lockout has counted in advance."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from gatehouse.lockout import service as lockout
from gatehouse.lockout.service import CountedAttempt
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.users import notifications
from gatehouse.web.request_context import RequestContext


@contextmanager
def settle_attempt(counted: CountedAttempt, context: RequestContext) -> Iterator[None]:
    """Settle a counted attempt by how the block ends, outside any transaction.

    A wrong password or code stays counted, and its consequences are recorded after the rollback.
    Success resets the counters; any other error withdraws the attempt: it was not evaluated.
    """
    try:
        yield
    except (InvalidCredentials, InvalidCode) as error:
        error.event_data = {"user_id": counted.user_id} | error.event_data
        error.on_rollback = partial(_record_failure, counted, context, error.on_rollback)
        raise
    except BaseException:
        lockout.withdraw_attempt(counted)
        raise
    lockout.reset_counters(counted)


def _record_failure(
    counted: CountedAttempt, context: RequestContext, record_more: Callable[[], object] | None
) -> None:
    """Record the consequences of a wrong password or code, and those its error has itself."""
    notifications.on_failed_attempt(counted, context)
    if record_more:
        record_more()
