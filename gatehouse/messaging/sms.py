"""The one door for texts: whoever wants one sent asks here, never the outbox itself."""

from collections.abc import Callable

from gatehouse.messaging import outbox, sms_budget
from gatehouse.messaging.message import Letter
from gatehouse.web.request_context import Visitor


def text(letter: Letter, visitor: Visitor) -> bool:
    """Write a text to the outbox, in the current `writing()`; tell whether the budgets allowed it.

    Commit in either case: what was counted, and that it was withheld, must stay. Answer the same in
    either case, too. A letter whose variables hold a `code` is expected to be answered: say
    `spending.proved(number)` when the code was typed in.
    """
    if not _is_paid(letter, visitor, sms_budget.charge):
        return False
    outbox.put(letter, visitor)
    return True


def waste(letter: Letter, visitor: Visitor) -> None:
    """Do the work of `text` and send nothing, so that its time does not tell whose number it is.

    The budgets pay for it, too: one that is spent would tell as well.
    """
    if _is_paid(letter, visitor, sms_budget.pretend):
        outbox.waste(letter, visitor)


def _is_paid(letter: Letter, visitor: Visitor, pay: Callable[..., None]) -> bool:
    try:
        pay(letter.recipient, visitor, is_code="code" in letter.variables)
    except sms_budget.Overspent as refusal:
        sms_budget.withheld(letter.recipient, visitor, refusal.budget)
        return False
    return True
