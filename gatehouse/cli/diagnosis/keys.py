"""Checks of the key rings against what is stored, and of the age of the signing keys."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, func, literal, select

import config
from gatehouse.cli.diagnosis.check import Finding
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import db
from gatehouse.passwords import service as passwords
from gatehouse.tokens import keys as signing_keys
from gatehouse.tokens.key_set import ACTIVE
from models import SigningKey

MAX_KEY_AGE = timedelta(days=365)
"""NIST SP 800-57 part 1 section 5.3.6: one to three years for a private signature key."""


def find_missing_secrets() -> Iterator[Finding]:
    """Look for values that no configured key can decrypt, and hashes that no pepper verifies."""
    yield from _find_unconfigured_encryption_keys()
    yield from _find_wrong_encryption_keys()
    rings = config.settings().password_peppers.keys
    for pepper, count in sorted(passwords.count_by_pepper().items()):
        if count and pepper not in rings:
            yield Finding(
                f"{count} passwords need the pepper {pepper}, which GATEHOUSE_PASSWORD_PEPPERS"
                " lacks: their owners cannot log in. Put it back behind the first one."
            )


def _find_unconfigured_encryption_keys() -> Iterator[Finding]:
    for table in db.metadata.sorted_tables:
        columns = [column for column in table.columns if "associated_data" in column.info]
        for column in columns:
            count = db.session.scalar(select(func.count()).where(_has_unknown_key(column)))
            if count:
                yield Finding(
                    f"{count} values of {table.name}.{column.name} are encrypted with a key that"
                    " GATEHOUSE_ENCRYPTION_KEYS lacks: put it back behind the first one."
                )


def _has_unknown_key(column: ColumnElement[bytes]) -> ColumnElement[bool]:
    """Select the ciphertexts that begin with the id of no configured key."""
    names = [name.encode() for name in config.settings().encryption_keys.keys]
    prefixes = [bytes([len(name)]) + name for name in names]
    begins = [func.substr(column, 1, len(prefix)) != literal(prefix) for prefix in prefixes]
    return and_(column.is_not(None), *begins)


def _find_wrong_encryption_keys() -> Iterator[Finding]:
    """Decrypt the signing keys: a key may have the right name and another value."""
    rows = db.session.scalars(select(SigningKey).where(SigningKey.revoked_at.is_(None)))
    for row in rows:
        try:
            label = crypto_labels.column_data(crypto_labels.SIGNING_KEY, row.id)
            crypto.decrypt(row.private, label)
        except crypto.DecryptionFailed:
            yield Finding(
                f"The signing key {row.kid} cannot be decrypted: GATEHOUSE_ENCRYPTION_KEYS differs"
                " from that of the server that made it. Use the same key rings."
            )


def find_old_signing_keys() -> Iterator[Finding]:
    """Look for an active signing key that has signed for more than a year, or for none."""
    now = clock.now()
    active = [row for row, stage in signing_keys.list_keys() if stage == ACTIVE]
    if not active:
        yield Finding(
            "There is no signing key yet: start the server, or run `gatehouse keys rotate`."
        )
    for row in active:
        age = now - (row.activated_at or row.created_at)
        if age > MAX_KEY_AGE:
            yield Finding(
                f"The signing key {row.kid} has signed for {age.days} days: `gatehouse keys rotate`"
                " replaces it without a restart.",
                is_warning=True,
            )
