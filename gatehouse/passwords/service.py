"""Hashing, verifying and upgrading passwords.

A password is normalised (NFC), keyed with a pepper that the database does not hold, and only then
hashed: HMAC-SHA-384 in base64 is 64 ASCII bytes, so no hasher ever truncates or stops at a NUL.
Hashes take a quarter of a second: no transaction may be open while these functions run.
"""

import base64
import hmac
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, update

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, plugins
from gatehouse.core.errors import ServiceBusy, ValidationFailed
from gatehouse.database.session import db
from gatehouse.database.statements import run
from gatehouse.passwords import breached, policy
from gatehouse.passwords.hash_pool import Result, queue
from gatehouse.passwords.hasher import Costs, Hasher, WrongPassword
from gatehouse.web.request_context import Visitor
from models import Password

SHELF = "gatehouse.passwords.hashers"
HELD = (
    select(Password.changed_at, Password.compromised_at)
    .where(Password.user_id == bindparam("user_id"))
    .with_for_update()
)


@dataclass(frozen=True)
class Hashed:
    """A stored password: the hash with its parameters, and the name of its pepper."""

    hash: str
    pepper: str
    chosen_at: datetime | None = None
    """When its owner chose the password; None while it belongs to no account."""
    chosen_by: str | None = None
    """`email` or `sms`, where a message was enough to choose it (see `models.Password`)."""


def require_good(
    password: str,
    personal: Sequence[str | None],
    field: str = "password",
    say: Callable[[str], str] = str,
) -> None:
    """Return if the policy accepts the password; it may be shorter where all need a second factor.

    `say` translates a sentence for the person. No transaction is open: somebody outside may be
    asked.

    Raises:
        ValidationFailed: with the policy's code and sentence for the field.
    """
    try:
        settings = config.settings()
        known = [text for text in personal if text]
        minimum = policy.minimum_length(mfa_mandatory=settings.mfa == "required")
        policy.check(password, known, minimum=minimum, service=settings.service_name)
        if breached.is_known(password):
            raise policy.PasswordRefused("password_breached")
    except policy.PasswordRefused as refused:
        reason = {"code": refused.code, "message": refused.said(say)}
        raise ValidationFailed({field: [reason]}) from None


def hash_new(password: str, visitor: Visitor) -> Hashed:
    """Hash a password with today's hasher, cost and pepper.

    Raises:
        ServiceBusy: too many others want the same.
    """
    pepper = config.settings().password_peppers.active
    made = _in_turn(visitor, partial(_current().hash, _prehash(password, pepper)))
    return Hashed(made, pepper)


def verify(stored: Hashed | None, password: str, visitor: Visitor) -> Hashed | None:
    """Return if the password is the stored one; None, an unknown account, costs as much.

    Returns:
        A fresh hash, when the stored one has an old cost, hasher or pepper; else None.

    Raises:
        WrongPassword: it is not the stored one, or nothing is stored.
        ServiceBusy: it was not looked at, because too many others want the same.
    """
    known = stored if stored and _has_pepper(stored) else _decoy()
    secret = _prehash(password, known.pepper)
    _in_turn(visitor, partial(_hasher_of(known.hash).verify, known.hash, secret))
    return None if _is_current(known) else _upgraded(password, visitor)


def of(user_id: UUID) -> Hashed | None:
    """Read the stored password of an account."""
    row = db.session.get(Password, user_id)
    return Hashed(row.hash, row.pepper, row.changed_at, row.chosen_by) if row else None


def hold(user_id: UUID, chosen_at: datetime | None) -> bool:
    """Return if the verified password is still the account's, and keep it so in this transaction.

    `chosen_at` tells which it was. Verifying takes long and no transaction; meanwhile the owner
    may have chosen another password. A hash that was only upgraded is still the same password.

    Returns:
        Whether it was flagged: then it has to be changed, and opens nothing before.

    Raises:
        WrongPassword: another one was chosen, or the account is gone.
    """
    held = run(HELD, user_id=user_id)
    if not held or held[0].changed_at != chosen_at:
        raise WrongPassword
    return held[0].compromised_at is not None


def store(user_id: UUID, hashed: Hashed) -> None:
    """Write a password that its owner has chosen, in the current transaction."""
    row = Password(user_id=user_id, changed_at=clock.now(), compromised_at=None)
    row.hash, row.pepper, row.chosen_by = hashed.hash, hashed.pepper, hashed.chosen_by
    db.session.merge(row)


def vouch(user_id: UUID, factor: str) -> None:
    """Note that a strong factor was proved beside the password that this transaction holds.

    So it is the owner's, whoever reads the message that it was chosen with; but a factor of that
    very channel says nothing new.
    """
    mine = update(Password).where(Password.user_id == user_id, Password.chosen_by != factor)
    db.session.execute(mine.values(chosen_by=None))


def proves_by_itself(user_id: UUID) -> bool:
    """Tell whether a password that was verified says more than a message would."""
    row = db.session.get(Password, user_id)
    return row is not None and row.chosen_by is None and row.compromised_at is None


def discard(user_id: UUID) -> None:
    """Delete the password of an account, in the current transaction: none opens it any more."""
    db.session.execute(delete(Password).where(Password.user_id == user_id))


def replace(user_id: UUID, old: Hashed, fresh: Hashed) -> bool:
    """Replace a hash, unless somebody else did while ours was made; tell whether it was done."""
    row = db.session.get(Password, user_id, with_for_update=True)
    if row is None or row.hash != old.hash:
        return False
    row.hash, row.pepper = fresh.hash, fresh.pepper
    return True


def flag(user_id: UUID, visitor: Visitor) -> None:
    """Say that others know a password, in the current transaction."""
    row = db.session.get(Password, user_id, with_for_update=True)
    if row is not None:
        row.compromised_at = clock.now()
        record(events.Account.PASSWORD_FLAGGED, visitor, user_id=user_id)


def per_pepper() -> dict[str, int]:
    """Count the stored hashes of each pepper; one that counts none can leave the ring."""
    counts = select(Password.pepper, func.count()).group_by(Password.pepper)
    return dict.fromkeys(config.settings().password_peppers.keys, 0) | {
        pepper: count for pepper, count in db.session.execute(counts)
    }


def _upgraded(password: str, visitor: Visitor) -> Hashed | None:
    """Hash a password anew, unless that would make somebody wait who has just proved it."""
    with suppress(ServiceBusy):
        return hash_new(password, visitor)
    return None


def _in_turn(visitor: Visitor, work: Callable[[], Result]) -> Result:
    """Let a hash be made or verified when its turn comes."""
    return queue().run(visitor.site, work)


def _has_pepper(stored: Hashed) -> bool:
    """Tell whether the pepper is in the ring; of one that was removed nothing can be verified."""
    return stored.pepper in config.settings().password_peppers.keys


def _decoy() -> Hashed:
    return Hashed(_current().decoy(), config.settings().password_peppers.active)


def _prehash(password: str, pepper: str) -> bytes:
    """Return 64 ASCII bytes (NFC: NIST SP 800-63B-4 section 3.1.1.2)."""
    key = config.settings().password_peppers.keys[pepper]
    text = unicodedata.normalize("NFC", password).encode()
    return base64.b64encode(hmac.digest(key, text, "sha384"))


def _is_current(stored: Hashed) -> bool:
    newest = config.settings().password_peppers.active
    return stored.pepper == newest and _current().is_current(stored.hash)


def _current() -> Hasher:
    settings = config.settings()
    return _hashers(settings.bcrypt_cost)[settings.password_hasher]


def _hasher_of(stored: str) -> Hasher:
    """Return the hasher of a stored hash; of a foreign one today's, which will not verify it."""
    hashers = _hashers(config.settings().bcrypt_cost).values()
    return next((hasher for hasher in hashers if hasher.understands(stored)), _current())


@cache
def _hashers(bcrypt_cost: int) -> dict[str, Hasher]:
    pieces = plugins.load(SHELF, plugins.names(SHELF))
    return {name: piece(Costs(bcrypt=bcrypt_cost)) for name, piece in pieces.items()}
