"""Re-encrypt stored secrets with the active key, column by column; safe to stop and repeat."""

from sqlalchemy import Column, Table, select, update

import config
from gatehouse.core import crypto, crypto_labels
from gatehouse.database.session import Base, db, write_transaction

BATCH_SIZE = 200


def reencrypt_all() -> int:
    """Re-encrypt all values, one transaction per batch; return how many were changed."""
    columns = (column for table in Base.metadata.sorted_tables for column in table.columns)
    encrypted = (column for column in columns if "associated_data" in column.info)
    return sum(_reencrypt_column(column.table, column) for column in encrypted)


def _reencrypt_column(table: Table, column: Column[object]) -> int:
    active, changed = config.settings().encryption_keys.active, 0
    ids = db.session.scalars(select(table.c.id).order_by(table.c.id)).all()
    for start in range(0, len(ids), BATCH_SIZE):
        with write_transaction():
            batch = table.c.id.in_(ids[start : start + BATCH_SIZE])
            rows = select(table.c.id, column).where(batch).with_for_update()
            for row_id, value in db.session.execute(rows).all():
                if crypto.key_id_of(value) != active:
                    changed += _reencrypt_value(column, row_id, value)
        db.session.commit()
    return changed


def _reencrypt_value(column: Column[object], row_id: object, value: bytes) -> int:
    table = column.table
    associated_data = crypto_labels.column_data(column.info["associated_data"], row_id)
    encrypted = crypto.encrypt(crypto.decrypt(value, associated_data), associated_data)
    db.session.execute(update(table).where(table.c.id == row_id).values({column: encrypted}))
    return 1
