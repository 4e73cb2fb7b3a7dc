"""Attempts at passwords and codes: counted by the lockout before, and settled after."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

from gatehouse.database.session import end_transaction
from gatehouse.devices import service as devices
from gatehouse.lockout import service as lockout
from gatehouse.lockout.backoff import CODE
from gatehouse.lockout.service import CountedAttempt
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.users import notifications
from gatehouse.users.service import UNKNOWN_USER_ID
from gatehouse.web.request_context import RequestContext


@contextmanager
def count_code_attempt(
    code_type: CodeType, account: UUID | str, context: RequestContext
) -> Iterator[None]:
    """Count an attempt at a code before the block verifies it; a new code resets no count.

    `account` is a user's id, or the canonical form of an unknown identifier.

    Raises:
        InvalidCode: the block raised it; it is raised again as the error of the type.
        TooManyAttempts: too many codes were wrong; the block did not run.
    """
    device = devices.find_device(account if isinstance(account, UUID) else UNKNOWN_USER_ID, context)
    end_transaction()
    counted = lockout.count_attempt(account, device.id if device else None, context, CODE)
    with settle_attempt(counted, context):
        try:
            yield
        except InvalidCode:
            raise code_type.error from None


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
