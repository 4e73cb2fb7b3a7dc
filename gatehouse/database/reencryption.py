"""Encrypts stored secrets with the active key, table by table; safe to stop and repeat."""

from typing import Any

from sqlalchemy import Column, Table, select, update

import config
from gatehouse.core import crypto
from gatehouse.database.session import Base, db, writing

BATCH = 200


def reencrypt_all() -> int:
    """Return how many values were sealed anew; each batch is a transaction."""
    sealed = [(t, c) for t in Base.metadata.sorted_tables for c in t.columns if "sealed" in c.info]
    return sum(_reencrypt(table, column) for table, column in sealed)


def _reencrypt(table: Table, column: Column[Any]) -> int:
    active, changed = config.settings().encryption_keys.active, 0
    ids = db.session.scalars(select(table.c.id).order_by(table.c.id)).all()
    for start in range(0, len(ids), BATCH):
        with writing():
            stale = select(table.c.id, column).where(table.c.id.in_(ids[start : start + BATCH]))
            for row_id, value in db.session.execute(stale.with_for_update()).all():
                if crypto.sealed_with(value) != active:
                    changed += _reseal(column, row_id, value)
        db.session.commit()
    return changed


def _reseal(column: Column[Any], row_id: Any, value: bytes) -> int:
    table = column.table
    place = f"{table.name}.{column.name}:{row_id}"
    fresh = crypto.seal(crypto.unseal(value, place), place)
    rows = update(table).where(table.c.id == row_id)
    db.session.execute(rows.values({column: fresh}))
    return 1
