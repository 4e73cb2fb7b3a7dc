"""Passkeys in the table of credentials."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from gatehouse.foundation import clock, crypto
from gatehouse.foundation.database import db
from gatehouse.mfa.passkeys.errors import PasskeyRefused
from gatehouse.mfa.passkeys.judgement import Made, Signed, require_counted_on
from gatehouse.mfa.passkeys.passkey import Passkey, read
from gatehouse.mfa.passkeys.strict import to_base64url
from models import Credential

KIND = "passkey"


def lookup(credential_id: str) -> str:
    """Return the digest by which a passkey is found; no two people have the same one."""
    return crypto.digest(credential_id)


def find(credential_id: str) -> Credential | None:
    """Find a confirmed passkey by its credential id, whosever it is."""
    mine = select(Credential).where(Credential.kind == KIND, Credential.confirmed_at.is_not(None))
    return db.session.scalar(mine.where(Credential.lookup == lookup(credential_id)))


def of(user_id: UUID) -> list[Credential]:
    """Return the person's confirmed passkeys, oldest first."""
    rows = select(Credential).where(Credential.user_id == user_id, Credential.kind == KIND)
    confirmed = rows.where(Credential.confirmed_at.is_not(None))
    return list(db.session.scalars(confirmed.order_by(Credential.id)))


def opened(row: Credential) -> Passkey:
    """Return the passkey of a row."""
    return read(json.loads(crypto.unseal(row.data, _place(row.id))))


def seal(credential_id: UUID, passkey: Passkey) -> bytes:
    """Return what a row keeps of a passkey."""
    return crypto.seal(json.dumps(passkey.written()).encode(), _place(credential_id))


def add(user_id: UUID, made: Made, label: str) -> Credential:
    """Write a new passkey in the current transaction.

    Raises:
        PasskeyRefused: somebody has it already (WebAuthn section 7.1 step 26).
    """
    row = Credential(id=crypto.new_id(), user_id=user_id, kind=KIND, label=label)
    row.lookup, row.counter = lookup(made.passkey.credential_id), made.counter
    row.data = seal(row.id, made.passkey)
    row.confirmed_at = clock.now()
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:
        raise PasskeyRefused(why="credential id known") from None
    return row


def note(credential_id: UUID, signed: Signed) -> None:
    """Note a signature, in the current transaction; of two with one count only one is noted.

    Raises:
        PasskeyRefused: the passkey was removed meanwhile.
        PasskeyCopied: another signature counted as far, or further, meanwhile.
    """
    row = db.session.get(Credential, credential_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise PasskeyRefused(why="removed meanwhile")
    require_counted_on(signed.counter, row.counter)
    row.counter, row.last_used_at = signed.counter, clock.now()
    row.data = seal(row.id, replace(opened(row), backed_up=signed.backed_up))


def handle(user_id: UUID, mine: list[Passkey]) -> str:
    """Return the person's user handle: 32 bytes that say nothing, the same for all their passkeys.

    An authenticator keeps one passkey for each handle, and replaces it by a newer one.
    """
    if mine:
        return mine[0].user_handle
    return to_base64url(bytes.fromhex(crypto.keyed_digest("passkey handle", str(user_id))))


def _place(credential_id: UUID) -> str:
    return f"credentials.data:{credential_id}"


@contextmanager
def telling_whose(row: Credential) -> Iterator[None]:
    """Let the audit tell whose passkey was refused."""
    try:
        yield
    except PasskeyRefused as refusal:
        refusal.about |= {"user_id": row.user_id, "credential_id": str(row.id)}
        raise
