"""Credential-stuffing detection: an alarm while passwords are tried on many accounts.

Failed passwords are counted by account in windows of 15 minutes: per IP prefix, and per password
from anywhere. Per password the IP prefixes are counted too, so that one prefix alone can only
activate the alarm for itself. A counter is a bitmap of 62 bits, and each bit stands for several
accounts or prefixes: it yields an estimate of how many there were, never which. A password is
counted in one of 16,384 buckets, by a keyed digest salted with the window: too few buckets to
recover the password from, enough to recognise the same one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import BindParameter, Exists, bindparam, delete, exists, select, text

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.log import logger
from gatehouse.database.session import UTCDateTime, db
from gatehouse.database.statements import fetch_one
from gatehouse.web.request_context import RequestContext
from models import CredentialStuffingCounter

WINDOW = 900  # seconds
ALARM_LIFETIME = timedelta(hours=1)
BITS = 62
PASSWORD_BUCKETS = 16_384
ACCOUNTS_PER_PREFIX_THRESHOLD = 21  # bits: about 25 accounts, at least 21
ACCOUNTS_PER_PASSWORD_THRESHOLD = 14  # bits: about 16 accounts
PREFIXES_PER_PASSWORD_THRESHOLD = 8  # bits: about 9 prefixes, more than one attacker has
EVERYWHERE = "everywhere"
"""In place of an IP prefix: the alarm for all of them."""
ADD_BITS = text(
    "INSERT INTO credential_stuffing_counters (key, bitmap, expires_at)"
    " VALUES (:key0, :bit0, :ends), (:key1, :bit1, :ends), (:key2, :bit2, :ends)"
    " ON CONFLICT (key) DO UPDATE"
    " SET bitmap = credential_stuffing_counters.bitmap | excluded.bitmap RETURNING key, bitmap"
).bindparams(bindparam("ends", type_=UTCDateTime))
ACTIVATE_ALARM = text(
    "INSERT INTO credential_stuffing_counters (key, bitmap, expires_at) VALUES (:key, 0, :until)"
    " ON CONFLICT (key) DO UPDATE SET expires_at = :until"
    " WHERE credential_stuffing_counters.expires_at <= :now RETURNING key"
).bindparams(bindparam("now", type_=UTCDateTime), bindparam("until", type_=UTCDateTime))


@dataclass(frozen=True)
class FailedAttempt:
    """Counter keys and bits of a failed password; neither it nor the account can be recovered."""

    prefix_key: str
    """Counter of the accounts tried from this IP prefix."""
    password_key: str
    """Counter of the accounts this password was tried on."""
    password_prefixes_key: str
    """Counter of the IP prefixes this password was tried from."""
    account_bit: int
    """The bit of the account, or of the unknown identifier."""
    prefix_bit: int
    """The bit of the IP prefix."""
    window: int
    """Unix time in units of WINDOW."""


def fingerprint(subject: UUID | str, password: str, context: RequestContext) -> FailedAttempt:
    """Return the counter keys of a failed password, alike for known and unknown accounts.

    `subject` is a user's id, or the canonical form of an unknown identifier.
    """
    window = clock.unix_time() // WINDOW
    bucket = _bucket(f"{window}\0password\0{password}", PASSWORD_BUCKETS)
    return FailedAttempt(
        crypto.keyed_digest(
            crypto_labels.CREDENTIAL_STUFFING, f"{window}\0network\0{context.ip_prefix}"
        ),
        crypto.keyed_digest(crypto_labels.CREDENTIAL_STUFFING, f"{window}\0drawer\0{bucket}"),
        crypto.keyed_digest(crypto_labels.CREDENTIAL_STUFFING, f"{window}\0senders\0{bucket}"),
        1 << _bucket(f"{window}\0account\0{subject}", BITS),
        1 << _bucket(f"{window}\0sender\0{context.ip_prefix}", BITS),
        window,
    )


def record_failed_attempt(attempt: FailedAttempt, context: RequestContext) -> None:
    """Count a failed password in the current transaction; activate the alarm at a threshold."""
    counts = _add_bits(attempt)
    if counts[attempt.prefix_key] >= ACCOUNTS_PER_PREFIX_THRESHOLD:
        _activate_alarm(context.ip_prefix, context, accounts=counts[attempt.prefix_key])
    if counts[attempt.password_key] >= ACCOUNTS_PER_PASSWORD_THRESHOLD:
        spread = counts[attempt.password_prefixes_key] >= PREFIXES_PER_PASSWORD_THRESHOLD
        scope = EVERYWHERE if spread else context.ip_prefix
        _activate_alarm(scope, context, accounts=counts[attempt.password_key])


def _add_bits(attempt: FailedAttempt) -> dict[str, int]:
    """Set the attempt's bits; return the number of set bits of each counter, by key.

    One statement, with its rows sorted by key so that concurrent ones cannot deadlock.
    """
    bits = {
        attempt.prefix_key: attempt.account_bit,
        attempt.password_key: attempt.account_bit,
        attempt.password_prefixes_key: attempt.prefix_bit,
    }
    values: dict[str, object] = {"ends": datetime.fromtimestamp((attempt.window + 1) * WINDOW, UTC)}
    for number, key in enumerate(sorted(bits)):
        values |= {f"key{number}": key, f"bit{number}": bits[key]}
    return {row.key: row.bitmap.bit_count() for row in db.session.execute(ADD_BITS, values)}


def is_active(ip_prefix: str) -> bool:
    """Return whether the alarm is active for an IP prefix or for all; one query by primary key."""
    return bool(fetch_one(SELECT_IS_ACTIVE, **is_active_params(ip_prefix)).credential_stuffing)


def is_active_clause() -> Exists:
    """Return `is_active` as an SQL expression, to embed in a larger query.

    Its parameters come from `is_active_params`.
    """
    keys: BindParameter[str] = bindparam("alarm_keys", expanding=True)
    now = bindparam("alarm_at", type_=UTCDateTime)
    return exists().where(
        CredentialStuffingCounter.key.in_(keys), CredentialStuffingCounter.expires_at > now
    )


SELECT_IS_ACTIVE = select(is_active_clause().label("credential_stuffing"))


def is_active_params(ip_prefix: str) -> dict[str, object]:
    """Return the parameters of `is_active_clause`."""
    return {"alarm_keys": [_alarm_key(ip_prefix), _alarm_key(EVERYWHERE)], "alarm_at": clock.now()}


def purge_expired_counters() -> None:
    """Delete the counters whose window is over, and the alarms that have ended."""
    db.session.execute(
        delete(CredentialStuffingCounter).where(CredentialStuffingCounter.expires_at < clock.now())
    )


def _activate_alarm(ip_prefix: str, context: RequestContext, accounts: int) -> None:
    """Activate the alarm; record and log it unless it is active already."""
    now = clock.now()
    values = {"key": _alarm_key(ip_prefix), "now": now, "until": now + ALARM_LIFETIME}
    if db.session.execute(ACTIVATE_ALARM, values).scalar() is None:
        return
    record(events.Risk.CREDENTIAL_STUFFING_DETECTED, context, network=ip_prefix, accounts=accounts)
    logger().warning("Credential stuffing detected.", network=ip_prefix, accounts=accounts)


def _alarm_key(ip_prefix: str) -> str:
    return crypto.keyed_digest(crypto_labels.CREDENTIAL_STUFFING, f"raised\0{ip_prefix}")


def _bucket(value: str, buckets: int) -> int:
    """Return the number of a bucket, below `buckets`, by a keyed digest of the value."""
    return int(crypto.keyed_digest(crypto_labels.CREDENTIAL_STUFFING, value)[:12], 16) % buckets
