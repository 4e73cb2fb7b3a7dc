"""Signing keys and their stages: next, active, retired, expired; stored encrypted.

There is one chain of them for `GATEHOUSE_SIGNING_ALGORITHM`, and one for RS256, which every OpenID
provider supports (OpenID Connect Core section 15.1); they are rotated together. The next key is
published before it signs, so that verifiers fetch it in time; only the first key, and the first of
a newly chosen algorithm, sign immediately. A retired key verifies until the last token that it
signed has expired. Every worker follows the keys (see `sync`): no restart is needed.

An RSA key takes seconds to generate on a slow machine: the functions that create keys generate them
before their transaction, so they must not be called after other changes of a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from joserfc.jwk import ECKey, OKPKey, RSAKey
from sqlalchemy import select
from sqlalchemy.orm import Session

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import advisory_lock, db, end_transaction, write_transaction
from gatehouse.database.statements import fetch_all
from gatehouse.tokens.key_set import ACTIVE, NEXT, RETIRED, RS256, STAGES, Key, KeySet
from gatehouse.web.request_context import BACKGROUND, RequestContext
from models import SigningKey

LOCK_KEY = "signing keys"
JWK_CLASSES: dict[str, Any] = {"ES256": ECKey, "EdDSA": OKPKey, RS256: RSAKey}
JWKS_MAX_AGE = 300  # seconds for which verifiers may cache the key set
RSA_BITS = 3072  # 128 bits of security, NIST SP 800-57 part 1 table 2
FINGERPRINT_COLUMNS = select(
    SigningKey.kid, SigningKey.activated_at, SigningKey.retired_at, SigningKey.revoked_at
).order_by(SigningKey.created_at)
"""The columns that show whether the keys have changed; no private key is read or decrypted."""


@dataclass(frozen=True)
class _GeneratedKey:
    """A key that is not stored yet."""

    algorithm: str
    pem: bytes = field(repr=False)


def read_key_set(cached: KeySet | None) -> KeySet | None:
    """Read the keys: return `cached` if nothing has changed, None if there is no active key."""
    if cached and cached.fingerprint == _fingerprint(_unexpired(fetch_all(FINGERPRINT_COLUMNS))):
        return cached
    with Session(db.engine) as session:  # never the request's own, which may be writing
        rows = session.scalars(select(SigningKey).order_by(SigningKey.created_at)).all()
    unexpired = _unexpired(rows)
    if not any(stage == ACTIVE for _, stage in unexpired):
        return None
    loaded = {row.kid: _load_key(row, stage) for row, stage in unexpired}
    return KeySet(loaded, _fingerprint(unexpired))


def list_algorithms() -> tuple[str, ...]:
    """Return the algorithms that have keys, that of our own tokens first."""
    return tuple(dict.fromkeys((config.settings().signing_algorithm, RS256)))


def ensure_keys(context: RequestContext = BACKGROUND) -> None:
    """Create the first keys, or switch to a changed GATEHOUSE_SIGNING_ALGORITHM. Idempotent."""
    stages = {(row.algorithm, stage) for row, stage in list_keys() if stage in (ACTIVE, NEXT)}
    if stages == {(algorithm, stage) for algorithm in list_algorithms() for stage in STAGES}:
        return
    spare = _generate_spare_keys()
    with write_transaction():
        advisory_lock(LOCK_KEY)
        _end_other_algorithms()
        for algorithm in list_algorithms():
            if not _newest_in_stage(NEXT, algorithm):
                _store_key(spare[algorithm].pop(), context)
            if not _newest_in_stage(ACTIVE, algorithm):
                _activate_next(spare[algorithm], context)


class KeyNotYetPublished(Exception):
    """The next key is not published long enough yet; it may sign in this many `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def rotate_keys(context: RequestContext, published_for: float = 0) -> SigningKey:
    """For each algorithm, activate the next key, retire the active one, publish a new next key.

    Returns:
        The key that signs our own tokens from now on.

    Raises:
        KeyNotYetPublished: the next key was published less than `published_for` seconds ago.
    """
    spare = _generate_spare_keys()
    with write_transaction():
        advisory_lock(LOCK_KEY)
        rows = [_activate_next(keys, context, published_for) for keys in spare.values()]
    return rows[0]


def revoke_key(kid: str, context: RequestContext) -> None:
    """Revoke a key immediately: every token that it signed becomes invalid.

    Raises:
        LookupError: there is no such key, or it is revoked already.
    """
    spare = _generate_spare_keys()
    with write_transaction():
        advisory_lock(LOCK_KEY)
        row = db.session.scalar(select(SigningKey).where(SigningKey.kid == kid))
        if row is None or row.revoked_at:
            raise LookupError(f"there is no key {kid}; `gatehouse keys list` shows them")
        stage = _stage(row, clock.now())
        row.revoked_at = clock.now()
        db.session.flush()
        record(events.SigningKey.REVOKED, context, kid=kid)
        if stage == ACTIVE:
            _activate_next(spare[row.algorithm], context)
        if stage == NEXT:
            _store_key(spare[row.algorithm].pop(), context)


def replace_all_keys(context: RequestContext) -> None:
    """Revoke all keys and create new ones: every token that was ever issued becomes invalid."""
    spare = _generate_spare_keys()
    with write_transaction():
        advisory_lock(LOCK_KEY)
        for row, _ in list_keys():
            row.revoked_at = row.revoked_at or clock.now()
        db.session.flush()
        record(events.SigningKey.REPLACED, context)
        for keys in spare.values():
            _activate_next(keys, context)


def list_keys() -> list[tuple[SigningKey, str]]:
    """Return all keys with their stage, `expired` included, oldest first."""
    rows = db.session.scalars(select(SigningKey).order_by(SigningKey.created_at)).all()
    return [(row, _stage(row, clock.now()) or "expired") for row in rows]


def _unexpired(rows: Sequence[Any]) -> list[tuple[Any, str]]:
    """Return the keys that are not expired, each with its stage."""
    now = clock.now()
    return [(row, stage) for row in rows if (stage := _stage(row, now))]


def _fingerprint(unexpired: list[tuple[Any, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((row.kid, stage) for row, stage in unexpired)


def _stage(row: Any, now: datetime) -> str | None:
    """Return the stage of a key or of a row of FINGERPRINT_COLUMNS; None if it is expired."""
    if row.revoked_at or (row.retired_at and row.retired_at + _max_token_lifetime() < now):
        return None
    if row.retired_at:
        return RETIRED
    return ACTIVE if row.activated_at else NEXT


def _max_token_lifetime() -> timedelta:
    """Return the longest lifetime of a token that a key can have signed."""
    settings = config.settings()
    return max(settings.session_idle_timeout, settings.access_token_lifetime)


def _newest_in_stage(stage: str, algorithm: str) -> SigningKey | None:
    rows = reversed(list_keys())
    return next((row for row, at in rows if (row.algorithm, at) == (algorithm, stage)), None)


def _end_other_algorithms() -> None:
    """Retire the active keys of algorithms that are not used any more, and revoke the next ones."""
    for row, stage in list_keys():
        if row.algorithm not in list_algorithms():
            row.retired_at = clock.now() if stage == ACTIVE else row.retired_at
            row.revoked_at = clock.now() if stage == NEXT else row.revoked_at


def _activate_next(
    spare: list[_GeneratedKey], context: RequestContext, published_for: float = 0
) -> SigningKey:
    """Activate the next key of the algorithm of the spare ones, and publish another one."""
    algorithm = spare[0].algorithm
    following = _newest_in_stage(NEXT, algorithm) or _store_key(spare.pop(), context)
    age = (clock.now() - following.created_at).total_seconds()
    if age < published_for:
        raise KeyNotYetPublished(published_for - age)
    for row, stage in list_keys():
        if (row.algorithm, stage) == (algorithm, ACTIVE):
            row.retired_at = clock.now()
    following.activated_at = clock.now()
    db.session.flush()
    record(events.SigningKey.ACTIVATED, context, kid=following.kid)
    _store_key(spare.pop(), context)
    return following


def _generate_spare_keys() -> dict[str, list[_GeneratedKey]]:
    """Generate two keys of each algorithm, as many as a change can need.

    No transaction is open meanwhile.
    """
    end_transaction()
    return {
        algorithm: [_GeneratedKey(algorithm, _generate_pem(algorithm)) for _ in range(2)]
        for algorithm in list_algorithms()
    }


def _store_key(key: _GeneratedKey, context: RequestContext) -> SigningKey:
    """Store a key and publish it as the next one."""
    kid = JWK_CLASSES[key.algorithm].import_key(key.pem).thumbprint()
    row = SigningKey(id=crypto.new_id(), kid=kid, algorithm=key.algorithm)
    label = crypto_labels.column_data(crypto_labels.SIGNING_KEY, row.id)
    row.private = crypto.encrypt(key.pem, label)
    db.session.add(row)
    db.session.flush()
    record(events.SigningKey.CREATED, context, kid=kid, algorithm=key.algorithm)
    return row


def _generate_pem(algorithm: str) -> bytes:
    private = _generate(algorithm)
    pem: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def _generate(algorithm: str) -> Any:
    if algorithm == RS256:
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def _load_key(row: SigningKey, stage: str) -> Key:
    """Decrypt a key; the decryption has verified that it is one of ours, unchanged."""
    pem = crypto.decrypt(row.private, crypto_labels.column_data(crypto_labels.SIGNING_KEY, row.id))
    private: Any = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    public = private.public_key()
    encoded = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = JWK_CLASSES[row.algorithm].import_key(encoded).as_dict(private=False)
    jwk |= {"kid": row.kid, "use": "sig", "alg": row.algorithm}
    return Key(row.kid, row.algorithm, stage, private, public, jwk)
