"""Passkeys in the table of credentials."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from gatehouse.mfa import credential_store
from gatehouse.mfa.webauthn.cbor_checks import to_base64url
from gatehouse.mfa.webauthn.errors import PasskeyRefused
from gatehouse.mfa.webauthn.options import Owner
from gatehouse.mfa.webauthn.passkey import Passkey, read
from gatehouse.mfa.webauthn.verification import Made, Signed, require_counted_on
from models import Credential, User

KIND = "passkey"


def lookup(credential_id: str) -> str:
    """Return the digest by which a passkey is found; no two people have the same one."""
    return crypto.digest(credential_id)


def find(credential_id: str) -> Credential | None:
    """Find a confirmed passkey by its credential id, whosever it is."""
    return credential_store.by_lookup(KIND, lookup(credential_id))


def of(user_id: UUID) -> list[Passkey]:
    """Return the person's confirmed passkeys, oldest first."""
    return [opened(row) for row in credential_store.held(user_id) if row.kind == KIND]


def opened(row: Credential) -> Passkey:
    """Return the passkey of a row."""
    return read(credential_store.read(row))


def keep(row: Credential, passkey: Passkey) -> None:
    """Seal a passkey in its row."""
    credential_store.keep(row, passkey.written())


def complete(row: Credential, made: Made) -> None:
    """Write what a browser made into its row, in the current transaction.

    Raises:
        PasskeyRefused: somebody has it already (WebAuthn section 7.1 step 26).
    """
    row.lookup, row.counter = lookup(made.passkey.credential_id), made.counter
    keep(row, made.passkey)
    try:
        db.session.flush()
    except IntegrityError:
        raise PasskeyRefused(why="credential id known") from None


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
    keep(row, replace(opened(row), backed_up=signed.backed_up))


def owner(user: User, mine: Sequence[Passkey]) -> Owner:
    """Return for whom one more passkey is made.

    The handle is the same for all passkeys of a person: an authenticator keeps one for each
    handle. It is random to whoever lacks our key, and says nothing (WebAuthn section 14.6.1).
    """
    digest = crypto.keyed_digest("passkey handle", str(user.id))
    handle = mine[0].user_handle if mine else to_base64url(bytes.fromhex(digest))
    return Owner(handle, user.email, user.name or user.email)


@contextmanager
def telling_whose(row: Credential) -> Iterator[None]:
    """Let the audit tell whose passkey was refused."""
    try:
        yield
    except PasskeyRefused as refusal:
        refusal.about |= {"user_id": row.user_id, "credential_id": str(row.id)}
        raise
