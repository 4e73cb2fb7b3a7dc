"""Columns and indexes of the kinds that many tables have."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import clock, crypto
from gatehouse.database.session import UTCDateTime

DIGEST = String(64)
IP_ADDRESS = String(45)
AUTOINCREMENT = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up in INTEGER only


def new_id() -> Mapped[UUID]:
    """Return a primary key: a UUIDv7."""
    return mapped_column(Uuid, primary_key=True, default=crypto.new_id)


def creation_time() -> Mapped[datetime]:
    """Return a time that is the present one by default."""
    return mapped_column(UTCDateTime, default=clock.now)


def encrypted(label: str) -> Mapped[bytes]:
    """Return a column of ciphertext, with the label of its associated data."""
    return mapped_column(LargeBinary, info={"associated_data": label})


def owner() -> Mapped[UUID]:
    """Return a reference to the user with whom the row is deleted."""
    return mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), index=True)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of the rows that a condition in SQL selects."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
