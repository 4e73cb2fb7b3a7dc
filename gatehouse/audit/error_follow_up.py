"""What follows an error after the rollback: its own follow-up, and its audit event."""

from gatehouse.audit.service import record
from gatehouse.core.errors import ApiError
from gatehouse.database.session import commits, without_checks_before_writes, write_transaction
from gatehouse.web.request_context import RequestContext, request_context


@commits
def follow_up(error: ApiError, context: RequestContext | None = None) -> None:
    """Run `on_rollback` and write the audit event, in one new transaction; repeat a conflict.

    The checks before writes do not run: what follows an error is not a write of the client.
    """
    if not (error.on_rollback or error.event):
        return
    with without_checks_before_writes(), write_transaction():
        if error.on_rollback:
            error.on_rollback()
        if error.event:
            event_data = {**error.event_data, "code": error.code}
            record(error.event, context or request_context(), **event_data)
