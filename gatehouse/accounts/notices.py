"""Telling the owner of an account what was done to it, and how to object."""

from typing import Any

from gatehouse.delivery import outbox
from gatehouse.delivery.message import Letter
from gatehouse.foundation.visitor import Visitor
from models import User


def tell(user: User, template: str, variables: dict[str, Any], visitor: Visitor) -> None:
    """Write a notice to every address of the account, in the current transaction."""
    outbox.put(Letter(user.email, template, variables, user.locale), visitor)
