"""How much is written to one address or number; whoever asks for more is never told."""

from datetime import timedelta

from gatehouse.core import clock
from gatehouse.messaging import outbox
from gatehouse.messaging.message import Letter
from gatehouse.web.request_context import Visitor

WINDOW = timedelta(hours=1)
MOST = 3
"""Of one kind, in an hour, to one address: kinds do not use up each other's."""
EXCEPTIONS = {"notice_lockout": 1, "notice_attempts": 1, "factor_code": 10}
"""A second factor's code is asked for by who has proved the first: they alone could use it up."""
UNLIMITED = {"notice_mfa_reset"}
"""Its link is the owner's way to object, so it always comes; an operator or two proofs cause it."""
TOGETHER = {"verify_email", "account_exists"}
"""What one request may lead to counts as one kind, or the count would tell which it was."""


def left(recipient: str, template: str) -> bool:
    """Tell whether one more letter of a kind may be written to an address or number."""
    if template in UNLIMITED:
        return True
    kinds = TOGETHER if template in TOGETHER else {template}
    written = outbox.written_since(recipient, clock.now() - WINDOW, kinds)
    return written < EXCEPTIONS.get(template, MOST)


def put(letter: Letter, visitor: Visitor) -> bool:
    """Write a letter in the current transaction while some are left; tell whether it was."""
    if not left(letter.recipient, letter.template):
        return False
    outbox.put(letter, visitor)
    return True
