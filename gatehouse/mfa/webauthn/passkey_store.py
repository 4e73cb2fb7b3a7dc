"""Passkeys in the `credentials` table: find, load, save, record use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import db
from gatehouse.mfa import credential_store
from gatehouse.mfa.webauthn.cbor_checks import to_base64url
from gatehouse.mfa.webauthn.errors import PasskeyRejected
from gatehouse.mfa.webauthn.options import UserEntity
from gatehouse.mfa.webauthn.passkey import Passkey, from_json
from gatehouse.mfa.webauthn.verification import (
    VerifiedAssertion,
    VerifiedPasskey,
    require_counter_increased,
)
from models import Credential, User

KIND = "passkey"


def lookup_digest(credential_id: str) -> str:
    """Return the digest by which a passkey is found; unique over all users."""
    return crypto.digest(credential_id)


def find_by_credential_id(credential_id: str) -> Credential | None:
    """Find a confirmed passkey of any user by its credential id."""
    return credential_store.find_by_lookup(KIND, lookup_digest(credential_id))


def list_passkeys(user_id: UUID) -> list[Passkey]:
    """Return the confirmed passkeys of a user, oldest first."""
    return [load(row) for row in credential_store.list_confirmed(user_id) if row.kind == KIND]


def load(row: Credential) -> Passkey:
    """Decrypt the passkey of a row."""
    return from_json(credential_store.load_data(row))


def save(row: Credential, passkey: Passkey) -> None:
    """Encrypt a passkey into its row."""
    credential_store.save_data(row, passkey.to_json())


def save_registration(row: Credential, registration: VerifiedPasskey) -> None:
    """Save a verified new passkey in its row, in the current transaction.

    Raises:
        PasskeyRejected: the credential id is registered already (WebAuthn section 7.1 step 26).
    """
    row.lookup, row.counter = (
        lookup_digest(registration.passkey.credential_id),
        registration.counter,
    )
    save(row, registration.passkey)
    try:
        db.session.flush()
    except IntegrityError:
        raise PasskeyRejected(reason="credential id known") from None


def record_use(credential_id: UUID, assertion: VerifiedAssertion) -> None:
    """Save counter and time of an assertion, in the current transaction, with the row locked.

    Raises:
        PasskeyRejected: the passkey was removed meanwhile.
        PasskeyCloned: another assertion with this or a higher counter was saved meanwhile.
    """
    row = db.session.get(Credential, credential_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise PasskeyRejected(reason="removed meanwhile")
    require_counter_increased(assertion.counter, row.counter)
    row.counter, row.last_used_at = assertion.counter, clock.now()
    save(row, replace(load(row), backed_up=assertion.backed_up))


def user_entity(user: User, passkeys: Sequence[Passkey]) -> UserEntity:
    """Return the user entity for one more passkey.

    All passkeys of a user have the same handle, because an authenticator stores one per handle. The
    handle is a keyed digest that reveals nothing without our key (WebAuthn section 14.6.1).
    """
    digest = crypto.keyed_digest(crypto_labels.PASSKEY_USER_HANDLE, str(user.id))
    handle = passkeys[0].user_handle if passkeys else to_base64url(bytes.fromhex(digest))
    return UserEntity(handle, user.email, user.name or user.email)


@contextmanager
def audit_context(row: Credential) -> Iterator[None]:
    """Add the user and the passkey to the audit event of a rejection."""
    try:
        yield
    except PasskeyRejected as error:
        error.event_data |= {"user_id": row.user_id, "factor_id": str(row.id)}
        raise
