"""Sending SMS within the budgets; other packages use this module, never the outbox directly."""

from collections.abc import Callable

from gatehouse.messaging import outbox, sms_budget
from gatehouse.messaging.message import MessageRequest
from gatehouse.web.request_context import RequestContext


def send(message: MessageRequest, context: RequestContext) -> bool:
    """Write an SMS to the outbox if the budgets allow it; return whether they did.

    Call it in a write transaction and commit in either case: counts and audit events must stay.
    The response must not depend on the result. After a message with a `code` variable, call
    `sms_budget.record_conversion` when the code was entered.
    """
    if not _is_within_budget(message, context, sms_budget.charge):
        return False
    outbox.put(message, context)
    return True


def send_decoy(message: MessageRequest, context: RequestContext) -> None:
    """Do the work of `send` without a message, so that timing does not reveal a known number.

    The budgets are charged, too: otherwise an exhausted budget would reveal it.
    """
    if _is_within_budget(message, context, sms_budget.simulate_charge):
        outbox.enqueue_decoy(message, context)


def _is_within_budget(
    message: MessageRequest, context: RequestContext, charge: Callable[..., None]
) -> bool:
    try:
        charge(message.recipient, context, is_code="code" in message.variables)
    except sms_budget.BudgetExceeded as error:
        sms_budget.record_suppressed(message.recipient, context, error.budget)
        return False
    return True
