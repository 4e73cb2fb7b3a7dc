"""The ring of signing keys: next, active, retiring, gone; kept encrypted in the database.

The next key is published before it signs, so that verifiers know it in time; only the first key,
and one of a newly chosen algorithm, sign at once. A retiring key verifies until the last token that
it signed has expired. Every worker follows the ring (see `watch`), so rotation needs no restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
from gatehouse.core import clock, crypto
from gatehouse.database.session import db, take_turns
from gatehouse.database.statements import read_all
from gatehouse.web.request_context import NOBODY
from models import SigningKey

NEXT, ACTIVE, RETIRING = "next", "active", "retiring"
KINDS: dict[str, Any] = {"ES256": ECKey, "EdDSA": OKPKey, "RS256": RSAKey}
PUBLISHED_AHEAD = 300  # seconds for which verifiers may keep the keys that they have fetched
RSA_BITS = 3072  # 128 bits of security, NIST SP 800-57 part 1 table 2
MARKS = select(
    SigningKey.kid, SigningKey.activated_at, SigningKey.retired_at, SigningKey.revoked_at
).order_by(SigningKey.created_at)
"""What tells whether a key has changed, without its secret."""


@dataclass(frozen=True)
class Key:
    """A key that may verify tokens; only the active one signs."""

    kid: str
    algorithm: str
    stage: str
    private: Any
    public: Any
    jwk: dict[str, Any]


@dataclass(frozen=True)
class Ring:
    """All keys that verify, by `kid`, and the marks by which a change is noticed."""

    keys: dict[str, Key]
    marks: tuple[tuple[str, str], ...]

    @property
    def active(self) -> Key:
        """The key that signs."""
        return next(key for key in self.keys.values() if key.stage == ACTIVE)


def read_ring(known: Ring | None) -> Ring | None:
    """Read the ring: the known one when nothing has changed, None when no key may sign."""
    if known and known.marks == _marks(_alive(read_all(MARKS))):
        return known
    with Session(db.engine) as session:  # never the request's own, which may be writing
        alive = _alive(session.scalars(select(SigningKey).order_by(SigningKey.created_at)).all())
        if not any(stage == ACTIVE for _, stage in alive):
            return None
        return Ring({row.kid: _open(row, stage) for row, stage in alive}, _marks(alive))


def ensure() -> None:
    """Make the first keys, or follow a changed GATEHOUSE_SIGNING_ALGORITHM; safe to repeat."""
    take_turns("signing keys")
    chosen = config.settings().signing_algorithm
    active, following = _at(ACTIVE), _at(NEXT)
    if following is None or following.algorithm != chosen:
        following = _replace(following, chosen)
    if active is None or active.algorithm != chosen:
        rotate()


class TooYoung(Exception):
    """Not every worker has read the next key yet; it may sign in so many `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def rotate(known_for: float = 0) -> SigningKey:
    """Let the next key sign, retire the active one, and publish a new next key.

    Raises:
        TooYoung: the next key was not yet published for the seconds asked for.
    """
    take_turns("signing keys")
    active, following = _at(ACTIVE), _at(NEXT)
    chosen = config.settings().signing_algorithm
    following = following or _create(chosen)
    age = (clock.now() - following.created_at).total_seconds()
    if age < known_for:
        raise TooYoung(known_for - age)
    if active:
        active.retired_at = clock.now()
    following.activated_at = clock.now()
    db.session.flush()
    record(events.Key.ACTIVATED, NOBODY, kid=following.kid)
    _create(chosen)
    return following


def revoke(kid: str) -> None:
    """Withdraw a key at once: every token that it signed is dead.

    Raises:
        LookupError: there is no such key.
    """
    take_turns("signing keys")
    row = db.session.scalar(select(SigningKey).where(SigningKey.kid == kid))
    if row is None or row.revoked_at:
        raise LookupError(f"there is no key {kid}; `flask keys list` shows them")
    stage = _stage(row, clock.now())
    row.revoked_at = clock.now()
    db.session.flush()
    record(events.Key.REVOKED, NOBODY, kid=kid)
    if stage == ACTIVE:
        rotate()
    if stage == NEXT:
        _create(config.settings().signing_algorithm)


def stages() -> list[tuple[SigningKey, str]]:
    """Return all keys with their stage, `gone` included, oldest first."""
    rows = db.session.scalars(select(SigningKey).order_by(SigningKey.created_at)).all()
    return [(row, _stage(row, clock.now()) or "gone") for row in rows]


def _alive(rows: Sequence[Any]) -> list[tuple[Any, str]]:
    """Return the keys that are not gone, each with its stage."""
    now = clock.now()
    return [(row, stage) for row in rows if (stage := _stage(row, now))]


def _marks(alive: list[tuple[Any, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((row.kid, stage) for row, stage in alive)


def _stage(row: Any, now: datetime) -> str | None:
    """Return the stage of a key, or of a row of MARKS."""
    if row.revoked_at or (row.retired_at and row.retired_at + _longest_token() < now):
        return None
    if row.retired_at:
        return RETIRING
    return ACTIVE if row.activated_at else NEXT


def _longest_token() -> timedelta:
    """The life of the longest token that a key can have signed: a refresh token."""
    settings = config.settings()
    return max(settings.session_idle, settings.access_token_lifetime)


def _at(stage: str) -> SigningKey | None:
    return next((row for row, its in reversed(stages()) if its == stage), None)


def _replace(following: SigningKey | None, algorithm: str) -> SigningKey:
    if following:
        following.revoked_at = clock.now()
    return _create(algorithm)


def _create(algorithm: str) -> SigningKey:
    """Make a key and publish it as the next one."""
    private = _generate(algorithm)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kid = KINDS[algorithm].import_key(pem).thumbprint()
    row = SigningKey(id=crypto.new_id(), kid=kid, algorithm=algorithm)
    row.private = crypto.seal(pem, f"signing_keys.private:{row.id}")
    db.session.add(row)
    db.session.flush()
    record(events.Key.CREATED, NOBODY, kid=kid, algorithm=algorithm)
    return row


def _generate(algorithm: str) -> Any:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def _open(row: SigningKey, stage: str) -> Key:
    pem = crypto.unseal(row.private, f"signing_keys.private:{row.id}")
    private = load_pem_private_key(pem, password=None)
    public = KINDS[row.algorithm].import_key(pem).as_dict(private=False)
    jwk = public | {"kid": row.kid, "use": "sig", "alg": row.algorithm}
    return Key(row.kid, row.algorithm, stage, private, private.public_key(), jwk)
