"""Queries on `credentials`, the rows of enrolled factors, and their encrypted data."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select

from gatehouse.core import crypto, crypto_labels
from gatehouse.core.events import FactorRemoved, publish
from gatehouse.database.session import db
from gatehouse.web.request_context import RequestContext
from models import Credential


def load_data(row: Credential) -> dict[str, Any]:
    """Decrypt the data of a row."""
    data: dict[str, object] = json.loads(crypto.decrypt(row.data, _associated_data(row)))
    return data


def save_data(row: Credential, data: Mapping[str, object]) -> None:
    """Encrypt data into a row. The row must have its id, which the encryption binds."""
    row.data = crypto.encrypt(json.dumps(dict(data)).encode(), _associated_data(row))


def list_confirmed(user_id: UUID) -> Sequence[Credential]:
    """Return the confirmed factors of a user, oldest first."""
    return db.session.scalars(_confirmed(user_id)).all()


def lock_confirmed(user_id: UUID, kind: str) -> Sequence[Credential]:
    """Lock a user's confirmed factors of a kind until the transaction ends, and return them."""
    rows = _confirmed(user_id).where(Credential.kind == kind).with_for_update()
    fresh = rows.execution_options(populate_existing=True)  # a row read before the lock is stale
    return db.session.scalars(fresh).all()


def lock_credential(user_id: UUID, credential_id: UUID) -> Credential | None:
    """Lock and return a factor, confirmed or not, if it belongs to the user."""
    rows = select(Credential).where(Credential.id == credential_id, Credential.user_id == user_id)
    fresh = rows.with_for_update().execution_options(populate_existing=True)
    found: Credential | None = db.session.scalar(fresh)
    return found


def find_by_lookup(kind: str, lookup: str) -> Credential | None:
    """Return the confirmed factor with this look-up digest, of any user."""
    rows = select(Credential).where(Credential.kind == kind, Credential.lookup == lookup)
    found: Credential | None = db.session.scalar(rows.where(Credential.confirmed_at.is_not(None)))
    return found


def delete_factors(
    user_id: UUID, context: RequestContext, *conditions: ColumnElement[bool]
) -> None:
    """Delete the factors of a user that meet all conditions, in the current transaction."""
    rows = delete(Credential).where(Credential.user_id == user_id, *conditions)
    columns = (Credential.id, Credential.kind, Credential.confirmed_at)
    for row in db.session.execute(rows.returning(*columns)).all():
        if row.confirmed_at:
            publish(FactorRemoved(user_id, context, row.id, row.kind))


def delete_unconfirmed(user_id: UUID, kind: str) -> None:
    """Delete a user's unconfirmed factors of a kind, in the current transaction."""
    rows = delete(Credential).where(Credential.user_id == user_id, Credential.kind == kind)
    db.session.execute(rows.where(Credential.confirmed_at.is_(None)))


def _confirmed(user_id: UUID) -> Any:
    rows = select(Credential).where(Credential.user_id == user_id)
    return rows.where(Credential.confirmed_at.is_not(None)).order_by(Credential.id)


def _associated_data(row: Credential) -> str:
    return crypto_labels.column_data(crypto_labels.CREDENTIAL_DATA, row.id)
