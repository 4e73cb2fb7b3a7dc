"""The one door for texts: whoever wants one sent asks here, never the outbox itself."""

from gatehouse.delivery import outbox, spending
from gatehouse.delivery.message import Letter
from gatehouse.foundation.visitor import Visitor


def text(letter: Letter, visitor: Visitor) -> bool:
    """Write a text to the outbox, in the current `writing()`; tell whether the budgets allowed it.

    Commit in either case: what was counted, and that it was withheld, must stay. Answer the same in
    either case, too. A letter whose variables hold a `code` is expected to be answered: say
    `spending.proved(number)` when the code was typed in.
    """
    number = letter.recipient
    try:
        spending.charge(number, visitor, is_code="code" in letter.variables)
    except spending.Overspent as refusal:
        spending.withheld(number, visitor, refusal.budget)
        return False
    outbox.put(letter, visitor)
    return True
