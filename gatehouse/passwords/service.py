"""Hashing, verifying and upgrading passwords.

A password is normalised (NFC), keyed with a pepper that is not in the database, and then hashed:
HMAC-SHA-384 in base64 is 64 ASCII bytes, so no hasher truncates it or stops at a NUL.
A hash takes a quarter of a second: no transaction may be open while these functions run.
"""

import base64
import hmac
import unicodedata
from collections.abc import Callable, Sequence, Set
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
from gatehouse.passwords import breached, policy
from gatehouse.passwords.hash_pool import Result, hash_pool
from gatehouse.passwords.hasher import Costs, Hasher, WrongPassword
from gatehouse.web.request_context import RequestContext
from models import Password

PACKAGE = "gatehouse.passwords.hashers"
LOCK_PASSWORD = (
    select(Password.changed_at, Password.compromised_at)
    .where(Password.user_id == bindparam("user_id"))
    .with_for_update()
)
MESSAGE_CHANNELS = {"email", "sms"}
"""The channels that a password can be set with."""
SELECT_SET_VIA = select(Password.set_via).where(Password.user_id == bindparam("user_id"))


@dataclass(frozen=True)
class PasswordHash:
    """A stored password: the hash with its parameters, and the id of its pepper."""

    hash: str
    pepper: str
    changed_at: datetime | None = None
    """When its user chose the password; None while it belongs to no account."""
    set_via: str | None = None
    """`email` or `sms` if a message alone was enough to set it (see `models.Password`)."""


def require_acceptable_password(
    password: str,
    personal_terms: Sequence[str | None],
    field: str = "password",
    translate: Callable[[str], str] = str,
) -> None:
    """Return if the policy accepts the password and no list of breached passwords has it.

    The minimum length is lower where MFA is mandatory. `translate` translates the reason. Call it
    without an open transaction: it may make a network request.

    Raises:
        ValidationFailed: with the code and reason of the policy, for the field.
    """
    try:
        settings = config.settings()
        terms = [text for text in personal_terms if text]
        minimum = policy.minimum_length(mfa_mandatory=settings.mfa == "required")
        policy.check_password(
            password, terms, min_length=minimum, service_name=settings.service_name
        )
        if breached.is_breached(password):
            raise policy.PasswordRejected("password_breached")
    except policy.PasswordRejected as error:
        raise _rejection(error, field, translate) from None


def require_new_password(
    stored: PasswordHash | None,
    password: str,
    context: RequestContext,
    translate: Callable[[str], str],
) -> None:
    """Return unless the stored password is this one; call it without an open transaction.

    Raises:
        ValidationFailed: it is; with the code `password_unchanged`.
        ServiceBusy: it was not compared, because too many requests wait for a hash.
    """
    if stored is None:
        return
    with suppress(WrongPassword):
        verify_password(stored, password, context)
        unchanged = policy.PasswordRejected("password_unchanged")
        raise _rejection(unchanged, "password", translate)


def _rejection(
    error: policy.PasswordRejected, field: str, translate: Callable[[str], str]
) -> ValidationFailed:
    reason = {"code": error.code, "message": error.translated(translate)}
    return ValidationFailed({field: [reason]})


def hash_password(password: str, context: RequestContext) -> PasswordHash:
    """Hash a password with the configured hasher, cost and pepper.

    Raises:
        ServiceBusy: too many requests wait for a hash.
    """
    pepper = config.settings().password_peppers.active
    hashed = _run_in_pool(context, partial(_current_hasher().hash, _prehash(password, pepper)))
    return PasswordHash(hashed, pepper)


def verify_password(
    stored: PasswordHash | None, password: str, context: RequestContext
) -> PasswordHash | None:
    """Return if the password matches the stored one; None (no such account) takes as long.

    Returns:
        A new hash, if the stored one has an old cost, hasher or pepper; else None.

    Raises:
        WrongPassword: it does not match, or nothing is stored.
        ServiceBusy: it was not verified, because too many requests wait for a hash.
    """
    expected = stored if stored and _has_pepper(stored) else _dummy_password_hash()
    secret = _prehash(password, expected.pepper)
    _run_in_pool(context, partial(_hasher_for(expected.hash).verify, expected.hash, secret))
    return _rehash_if_free(password, context) if _needs_rehash(expected) else None


def get(user_id: UUID) -> PasswordHash | None:
    """Read the stored password of an account."""
    row = db.session.get(Password, user_id)
    return PasswordHash(row.hash, row.pepper, row.changed_at, row.set_via) if row else None


def lock_and_check_unchanged(user_id: UUID, changed_at: datetime | None) -> bool:
    """Lock the account's password for this transaction; return if it is still the verified one.

    `changed_at` is that of the verified password. Verification takes long and has no transaction;
    meanwhile the user may have changed the password. A rehashed password is still the same.

    Returns:
        Whether it is marked as compromised: then it must be changed before it opens a session.

    Raises:
        WrongPassword: the password was changed, or the account was deleted.
    """
    locked = db.session.execute(LOCK_PASSWORD, {"user_id": user_id}).one_or_none()
    if locked is None or locked.changed_at != changed_at:
        raise WrongPassword
    return locked.compromised_at is not None


def store_password_hash(user_id: UUID, password_hash: PasswordHash) -> None:
    """Store a password that the user has chosen, in the current transaction."""
    row = Password(user_id=user_id, changed_at=clock.now(), compromised_at=None)
    row.hash, row.pepper = password_hash.hash, password_hash.pepper
    row.set_via = password_hash.set_via
    db.session.merge(row)


def get_unconfirmed_channel(user_id: UUID) -> str | None:
    """Return the channel that the password was set with, unless a factor confirmed it since."""
    found: str | None = db.session.scalar(SELECT_SET_VIA, {"user_id": user_id})
    return found


def confirm_with_factors(user_id: UUID, factors: Set[str]) -> str | None:
    """Mark the password as confirmed by possession factors (`amr`) that were verified besides it.

    It is then independent of the message that it was set with. A factor that uses the same channel
    as that message confirms nothing.

    Returns:
        The channel of a password that is still unconfirmed.
    """
    confirmed = update(Password).where(Password.user_id == user_id)
    confirmed = confirmed.where(Password.set_via.is_not(None))
    if len(factors) == 1:
        confirmed = confirmed.where(Password.set_via.not_in(factors))
    db.session.execute(confirmed.values(set_via=None))
    return get_unconfirmed_channel(user_id) if factors <= MESSAGE_CHANNELS else None


def delete_password_hash(user_id: UUID) -> None:
    """Delete the password of an account, in the current transaction."""
    db.session.execute(delete(Password).where(Password.user_id == user_id))


def replace_hash(user_id: UUID, old: PasswordHash, new: PasswordHash) -> bool:
    """Replace a hash unless it was changed meanwhile; return whether it was replaced."""
    row = db.session.get(Password, user_id, with_for_update=True)
    if row is None or row.hash != old.hash:
        return False
    row.hash, row.pepper = new.hash, new.pepper
    return True


def mark_compromised(user_id: UUID, context: RequestContext) -> None:
    """Mark the password of an account as compromised, in the current transaction."""
    row = db.session.get(Password, user_id, with_for_update=True)
    if row is not None:
        row.compromised_at = clock.now()
        record(events.Account.PASSWORD_COMPROMISED, context, user_id=user_id)


def require_change(user_id: UUID) -> None:
    """Require a new password before the next login, in the current transaction."""
    row = db.session.get(Password, user_id, with_for_update=True)
    if row is not None:
        row.compromised_at = row.compromised_at or clock.now()


def count_by_pepper() -> dict[str, int]:
    """Count the stored hashes of each pepper id; a pepper without any can be removed."""
    counts = select(Password.pepper, func.count()).group_by(Password.pepper)
    return dict.fromkeys(config.settings().password_peppers.keys, 0) | {
        pepper: count for pepper, count in db.session.execute(counts)
    }


def _rehash_if_free(password: str, context: RequestContext) -> PasswordHash | None:
    """Hash a verified password again, or return None if the pool is busy."""
    with suppress(ServiceBusy):
        return hash_password(password, context)
    return None


def _run_in_pool(context: RequestContext, work: Callable[[], Result]) -> Result:
    """Run a job in the hash pool, queued under the client's IP prefix."""
    return hash_pool().run_job(context.ip_prefix, work)


def _has_pepper(stored: PasswordHash) -> bool:
    """Return whether the pepper is still configured; without it nothing can be verified."""
    return stored.pepper in config.settings().password_peppers.keys


def _dummy_password_hash() -> PasswordHash:
    return PasswordHash(_current_hasher().dummy_hash(), config.settings().password_peppers.active)


def _prehash(password: str, pepper: str) -> bytes:
    """Return 64 ASCII bytes (NFC: NIST SP 800-63B-4 section 3.1.1.2)."""
    key = config.settings().password_peppers.keys[pepper]
    text = unicodedata.normalize("NFC", password).encode()
    return base64.b64encode(hmac.digest(key, text, "sha384"))


def _needs_rehash(stored: PasswordHash) -> bool:
    active = config.settings().password_peppers.active
    return stored.pepper != active or _current_hasher().needs_rehash(stored.hash)


def _current_hasher() -> Hasher:
    settings = config.settings()
    return _load_hashers(settings.bcrypt_cost)[settings.password_hasher]


def _hasher_for(stored: str) -> Hasher:
    """Return the hasher of a stored hash; for an unknown format the configured one, which fails."""
    hashers = _load_hashers(config.settings().bcrypt_cost).values()
    return next((hasher for hasher in hashers if hasher.identify(stored)), _current_hasher())


@cache
def _load_hashers(bcrypt_cost: int) -> dict[str, Hasher]:
    factories = plugins.load(PACKAGE, plugins.list_names(PACKAGE))
    return {name: factory(Costs(bcrypt=bcrypt_cost)) for name, factory in factories.items()}
