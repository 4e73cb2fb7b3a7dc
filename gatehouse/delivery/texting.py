"""Text messages; whoever asks for too many is never told."""

from gatehouse.delivery import allowance
from gatehouse.delivery.message import Letter
from gatehouse.foundation.visitor import Visitor


def text(letter: Letter, visitor: Visitor) -> bool:
    """Write a text message to the outbox, in the current transaction; tell whether it was."""
    return allowance.put(letter, visitor)
