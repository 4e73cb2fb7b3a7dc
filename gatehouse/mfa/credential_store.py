"""The rows of people's factors, and what they keep sealed."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from gatehouse.core import crypto
from gatehouse.database.session import db
from models import Credential


def read(row: Credential) -> dict[str, Any]:
    """Return what a row keeps sealed."""
    data: dict[str, Any] = json.loads(crypto.unseal(row.data, _place(row)))
    return data


def keep(row: Credential, data: dict[str, Any]) -> None:
    """Seal what a row keeps; the row has its id."""
    row.data = crypto.seal(json.dumps(data).encode(), _place(row))


def held(user_id: UUID) -> Sequence[Credential]:
    """Return a person's confirmed factors, oldest first."""
    return db.session.scalars(_confirmed(user_id)).all()


def locked(user_id: UUID, kind: str) -> Sequence[Credential]:
    """Lock a person's confirmed factors of a kind until the transaction ends, and return them."""
    rows = _confirmed(user_id).where(Credential.kind == kind).with_for_update()
    fresh = rows.execution_options(populate_existing=True)  # read before the lock, it may be old
    return db.session.scalars(fresh).all()


def own(user_id: UUID, credential_id: UUID) -> Credential | None:
    """Lock a person's factor, confirmed or not, and return it if it is theirs."""
    mine = select(Credential).where(Credential.id == credential_id, Credential.user_id == user_id)
    fresh = mine.with_for_update().execution_options(populate_existing=True)
    found: Credential | None = db.session.scalar(fresh)
    return found


def by_lookup(kind: str, lookup: str) -> Credential | None:
    """Return the confirmed factor of a digest, whoever it belongs to."""
    rows = select(Credential).where(Credential.kind == kind, Credential.lookup == lookup)
    found: Credential | None = db.session.scalar(rows.where(Credential.confirmed_at.is_not(None)))
    return found


def remove(row: Credential) -> None:
    """Delete a factor, in the current transaction."""
    db.session.execute(delete(Credential).where(Credential.id == row.id))


def remove_kind(user_id: UUID, kind: str) -> None:
    """Delete all factors of a kind that a person has, in the current transaction."""
    mine = delete(Credential).where(Credential.user_id == user_id, Credential.kind == kind)
    db.session.execute(mine)


def drop_unconfirmed(user_id: UUID, kind: str) -> None:
    """Delete what a person began to set up and never confirmed, in the current transaction."""
    mine = delete(Credential).where(Credential.user_id == user_id, Credential.kind == kind)
    db.session.execute(mine.where(Credential.confirmed_at.is_(None)))


def _confirmed(user_id: UUID) -> Any:
    mine = select(Credential).where(Credential.user_id == user_id)
    return mine.where(Credential.confirmed_at.is_not(None)).order_by(Credential.id)


def _place(row: Credential) -> str:
    return f"credentials.data:{row.id}"
