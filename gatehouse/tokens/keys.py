"""Signing keys and their stages: next, active, retired, expired; stored encrypted.

The next key is published before it signs, so that verifiers fetch it in time; only the first key,
and the first of a newly chosen algorithm, sign immediately. A retired key verifies until the last
token that it signed has expired. Every worker follows the keys (see `sync`): no restart is needed.

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
from gatehouse.web.request_context import BACKGROUND, RequestContext
from models import SigningKey

LOCK_KEY = "signing keys"
NEXT, ACTIVE, RETIRED = "next", "active", "retired"
JWK_CLASSES: dict[str, Any] = {"ES256": ECKey, "EdDSA": OKPKey, "RS256": RSAKey}
JWKS_MAX_AGE = 300  # seconds for which verifiers may cache the key set
RSA_BITS = 3072  # 128 bits of security, NIST SP 800-57 part 1 table 2
FINGERPRINT_COLUMNS = select(
    SigningKey.kid, SigningKey.activated_at, SigningKey.retired_at, SigningKey.revoked_at
).order_by(SigningKey.created_at)
"""The columns that show whether the keys have changed; no private key is read or decrypted."""


@dataclass(frozen=True)
class Key:
    """A loaded key: all of them verify tokens, only the active one signs."""

    kid: str
    algorithm: str
    stage: str
    private: Any
    public: object
    jwk: dict[str, object]


@dataclass(frozen=True)
class _GeneratedKey:
    """A key that is not stored yet."""

    algorithm: str
    pem: bytes = field(repr=False)


@dataclass(frozen=True)
class KeySet:
    """All keys that verify, by `kid`, and the kid and stage of each to detect changes."""

    keys: dict[str, Key]
    fingerprint: tuple[tuple[str, str], ...]

    @property
    def active(self) -> Key:
        """The key that signs."""
        return next(key for key in self.keys.values() if key.stage == ACTIVE)


def read_key_set(cached: KeySet | None) -> KeySet | None:
    """Read the keys: return `cached` if nothing has changed, None if there is no active key."""
    if cached and cached.fingerprint == _fingerprint(_unexpired(fetch_all(FINGERPRINT_COLUMNS))):
        return cached
    with Session(db.engine) as session:  # never the request's own, which may be writing
        rows = session.scalars(select(SigningKey).order_by(SigningKey.created_at)).all()
    unexpired = _unexpired(rows)
    if not any(stage == ACTIVE for _, stage in unexpired):
        return None
    loaded = {row.kid: _load_key(row, stage) for row, stage in unexpired}  # slow for RSA
    return KeySet(loaded, _fingerprint(unexpired))


def ensure_keys(context: RequestContext = BACKGROUND) -> None:
    """Create the first keys, or switch to a changed GATEHOUSE_SIGNING_ALGORITHM. Idempotent."""
    newest = _newest_in_stage(ACTIVE), _newest_in_stage(NEXT)
    if all(_has_chosen_algorithm(row) for row in newest):
        return
    spare = _generate_spare_keys()
    with write_transaction():
        advisory_lock(LOCK_KEY)
        following = _newest_in_stage(NEXT)
        if not _has_chosen_algorithm(following):
            _replace_next(following, spare, context)
        if not _has_chosen_algorithm(_newest_in_stage(ACTIVE)):
            _activate_next(spare, context)


class KeyNotYetPublished(Exception):
    """The next key is not published long enough yet; it may sign in this many `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def rotate_keys(context: RequestContext, published_for: float = 0) -> SigningKey:
    """Activate the next key, retire the active one, and publish a new next key.

    Raises:
        KeyNotYetPublished: the next key was published less than `published_for` seconds ago.
    """
    spare = _generate_spare_keys()
    with write_transaction():
        advisory_lock(LOCK_KEY)
        return _activate_next(spare, context, published_for)


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
            _activate_next(spare, context)
        if stage == NEXT:
            _store_key(spare.pop(), context)


def replace_all_keys(context: RequestContext) -> None:
    """Revoke all keys and create new ones: every token that was ever issued becomes invalid."""
    spare = _generate_spare_keys()
    with write_transaction():
        advisory_lock(LOCK_KEY)
        for row, _ in list_keys():
            row.revoked_at = row.revoked_at or clock.now()
        db.session.flush()
        record(events.SigningKey.REPLACED, context)
        _activate_next(spare, context)


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


def _newest_in_stage(stage: str) -> SigningKey | None:
    return next((row for row, current in reversed(list_keys()) if current == stage), None)


def _has_chosen_algorithm(row: SigningKey | None) -> bool:
    return row is not None and row.algorithm == config.settings().signing_algorithm


def _replace_next(
    following: SigningKey | None, spare: list[_GeneratedKey], context: RequestContext
) -> None:
    if following:
        following.revoked_at = clock.now()
    _store_key(spare.pop(), context)


def _activate_next(
    spare: list[_GeneratedKey], context: RequestContext, published_for: float = 0
) -> SigningKey:
    active = _newest_in_stage(ACTIVE)
    following = _newest_in_stage(NEXT) or _store_key(spare.pop(), context)
    age = (clock.now() - following.created_at).total_seconds()
    if age < published_for:
        raise KeyNotYetPublished(published_for - age)
    if active:
        active.retired_at = clock.now()
    following.activated_at = clock.now()
    db.session.flush()
    record(events.SigningKey.ACTIVATED, context, kid=following.kid)
    _store_key(spare.pop(), context)
    return following


def _generate_spare_keys() -> list[_GeneratedKey]:
    """Generate two keys, as many as a change can need; no transaction is open meanwhile."""
    end_transaction()
    algorithm = config.settings().signing_algorithm
    return [_GeneratedKey(algorithm, _generate_pem(algorithm)) for _ in range(2)]


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
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def _load_key(row: SigningKey, stage: str) -> Key:
    pem = crypto.decrypt(row.private, crypto_labels.column_data(crypto_labels.SIGNING_KEY, row.id))
    private = load_pem_private_key(pem, password=None)
    public = JWK_CLASSES[row.algorithm].import_key(pem).as_dict(private=False)
    jwk = public | {"kid": row.kid, "use": "sig", "alg": row.algorithm}
    return Key(row.kid, row.algorithm, stage, private, private.public_key(), jwk)
