"""Give an attempt at a code or link back, in a transaction of its own."""

from uuid import UUID

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import InstrumentedAttribute

from gatehouse.database.session import autonomous_transaction
from models import OneTimeCode

Condition = ColumnElement[bool]
Counter = InstrumentedAttribute[int]
"""A condition on codes, and the column that counts attempts at them."""


def subtract_attempt(code_id: UUID, counter: Counter) -> None:
    """Subtract an attempt from a counter of a row, and commit."""
    counted = update(OneTimeCode).where(OneTimeCode.id == code_id, counter > 0)
    with autonomous_transaction() as connection:
        connection.execute(counted.values({counter: counter - 1}))
