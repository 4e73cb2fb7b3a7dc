"""One-time codes and links: each is a row holding the digests of its token and its code.

A token has 256 bits and needs no limit. A code has few digits, so attempts are counted, and the
count is committed, before the code is checked. A row is consumed by one conditional UPDATE.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, delete, select, update

import config
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.errors import BEARER_CHALLENGE, ApiError
from gatehouse.database import refunds
from gatehouse.database.session import autonomous_transaction, db
from gatehouse.one_time_codes.refunding import Condition, Counter, subtract_attempt
from gatehouse.one_time_codes.stored_data import StoredData
from models import OneTimeCode

Data = TypeVar("Data", bound=StoredData)
CODE_DIGITS = 8
MAX_CODE_ATTEMPTS = 5
MAX_LINK_ATTEMPTS = 20
"""For the password that a link needs; more than code attempts by an attacker can use up."""


class InvalidCode(ApiError):
    """The code or link is wrong, has expired, or was used before."""

    status = 401
    code = "invalid_code"
    next = "Request a new one."
    headers = BEARER_CHALLENGE


@dataclass(frozen=True)
class Secrets:
    """The secrets that only the message to the recipient contains."""

    id: UUID
    token: str
    code: str


@dataclass(frozen=True)
class CodeFormat:
    """How long a code is, and how long it works."""

    lifetime: timedelta
    digits: int = CODE_DIGITS
    is_readable: bool = False
    """Whether the code is stored in the row's encrypted data, too, so that a page can show it."""
    is_decoy: bool = False
    """Whether it is not sent, so that nothing may match it."""
    requester_token: str | None = field(default=None, repr=False)
    """The token by which the client that requested it finds it (see `requester`)."""


def create(purpose: str, subject: str, data: dict[str, Any], lifetime: timedelta) -> Secrets:
    """Create a code and link in the current transaction; `subject` is stored as a keyed digest.

    If `data` has a `user_id`, the row belongs to that user, and `delete_for_user` finds it.
    """
    return create_in_format(purpose, subject, data, CodeFormat(lifetime))


def create_in_format(
    purpose: str, subject: str, data: dict[str, object], code_format: CodeFormat
) -> Secrets:
    """Create a code like `create`, or do the same work for a decoy.

    The row of a decoy is found and counted like any other, but the secrets do not work.
    """
    code = _new_code(code_format.digits, data)
    stored = data | {"code": code} if code_format.is_readable else data
    row = _write(purpose, subject, stored, code_format.lifetime)
    secrets = _set_secrets(row, code)
    if code_format.requester_token:
        row.requester_digest = requester_digests(purpose, code_format.requester_token)[0]
    if code_format.is_decoy:
        _set_secrets(row, crypto.random_token())
    return secrets


def renew(row: OneTimeCode) -> Secrets:
    """Replace token and code of a row in the current transaction; the old ones become invalid.

    The attempts at this code start at zero again; those of the account
    (`users.counted_attempts`) do not.
    """
    row.attempts = row.requester_attempts = 0
    data = decrypt_data(row)
    code = _new_code(CODE_DIGITS, data)
    if "code" in data:
        change_data(row, data | {"code": code})
    return _set_secrets(row, code)


def _write(purpose: str, subject: str, data: dict[str, Any], lifetime: timedelta) -> OneTimeCode:
    row = OneTimeCode(id=crypto.new_id(), purpose=purpose, expires_at=clock.now() + lifetime)
    row.subject_digest = crypto.keyed_digest(purpose, subject)
    row.user_id = UUID(data["user_id"]) if data.get("user_id") else None
    row.data = crypto.encrypt(json.dumps(data).encode(), _associated_data(row.id))
    db.session.add(row)
    return row


def _set_secrets(row: OneTimeCode, code: str) -> Secrets:
    secrets = Secrets(row.id, crypto.random_token(), code)
    row.token_digest = crypto.digest(secrets.token)
    row.code_digest = _code_digests(secrets.id, secrets.code)[0]
    return secrets


def verify_code(purpose: str, subject: str, code: str) -> OneTimeCode:
    """Count an attempt at the codes of a subject, commit the count, and return the matching row.

    Raises:
        InvalidCode: no code matches, or the attempts are used up.
    """
    digests = crypto.keyed_digests(purpose, subject)
    for row in count_attempts(OneTimeCode.subject_digest.in_(digests), purpose, MAX_CODE_ATTEMPTS):
        if is_code_of(row, code):
            return row
    raise InvalidCode


def attempt_with_token(
    purpose: str, token: str, max_attempts: int = MAX_LINK_ATTEMPTS
) -> OneTimeCode:
    """Count an attempt at what a link needs besides its token, commit, and return its row.

    Raises:
        InvalidCode: there is no such token, or the attempts are used up.
    """
    matches = OneTimeCode.token_digest == crypto.digest(token)
    for row in count_attempts(matches, purpose, max_attempts):
        return row
    raise InvalidCode


def refund_attempt(code_id: UUID) -> None:
    """Subtract an attempt that was counted but never evaluated."""
    refunds.drop_refund((code_id, OneTimeCode.attempts.key))
    refunds.give_back_or_delay(partial(subtract_attempt, code_id, OneTimeCode.attempts))


@contextmanager
def refund_on_error(code_id: UUID, *counted_errors: type[Exception]) -> Iterator[None]:
    """Refund the attempt if the block raises anything but one of `counted_errors`."""
    try:
        yield
    except counted_errors:
        raise
    except Exception:
        refund_attempt(code_id)
        raise


def find_by_token(purpose: str, token: str) -> OneTimeCode | None:
    """Return the pending row of a token, if there is one."""
    matches = OneTimeCode.token_digest == crypto.digest(token)
    row: OneTimeCode | None = db.session.scalar(_pending(purpose).where(matches))
    return row


def find_by_id(purpose: str, code_id: UUID) -> OneTimeCode | None:
    """Return the pending row of an id, if there is one."""
    matches = OneTimeCode.id == code_id
    row: OneTimeCode | None = db.session.scalar(_pending(purpose).where(matches))
    return row


def consume(code_id: UUID) -> None:
    """Mark a row as used, in the current transaction.

    Raises:
        InvalidCode: it was used before, perhaps by a concurrent request.
    """
    unused = update(OneTimeCode).where(OneTimeCode.id == code_id, OneTimeCode.used_at.is_(None))
    used = db.session.execute(unused.values(used_at=clock.now()).returning(OneTimeCode.id))
    if used.first() is None:
        raise InvalidCode


def lock_for_subject(purpose: str, subject: str) -> list[UUID]:
    """Lock all rows of a subject until the transaction ends, and return their ids."""
    digests = crypto.keyed_digests(purpose, subject)
    matching = select(OneTimeCode).where(
        OneTimeCode.purpose == purpose, OneTimeCode.subject_digest.in_(digests)
    )
    return list(db.session.scalars(_locked_ids(matching)))


def delete_for_subject(purpose: str, subject: str) -> None:
    """Delete all rows of a subject."""
    db.session.execute(
        delete(OneTimeCode).where(OneTimeCode.id.in_(lock_for_subject(purpose, subject)))
    )


def list_pending(purpose: str, subject: str) -> Sequence[OneTimeCode]:
    """Return the pending rows of a subject, newest first."""
    digests = crypto.keyed_digests(purpose, subject)
    matching = _pending(purpose).where(OneTimeCode.subject_digest.in_(digests))
    return db.session.scalars(matching.order_by(OneTimeCode.id.desc())).all()


def delete_for_user(user_id: UUID, *purposes: str, except_purposes: Sequence[str] = ()) -> None:
    """Delete the rows of a user: all purposes, or only these, except some."""
    matching = select(OneTimeCode).where(
        OneTimeCode.user_id == user_id, OneTimeCode.purpose.not_in(except_purposes)
    )
    if purposes:
        matching = matching.where(OneTimeCode.purpose.in_(purposes))
    ids = list(db.session.scalars(_locked_ids(matching)))
    db.session.execute(delete(OneTimeCode).where(OneTimeCode.id.in_(ids)))


def change_data(row: OneTimeCode, data: dict[str, object]) -> None:
    """Replace the encrypted data of a row, in the current transaction."""
    row.data = crypto.encrypt(json.dumps(data).encode(), _associated_data(row.id))


def load_data(row: OneTimeCode, data_type: type[Data]) -> Data:
    """Decrypt the data of a row."""
    return data_type.from_json(decrypt_data(row))


def decrypt_data(row: OneTimeCode) -> dict[str, Any]:
    """Decrypt the data of a row."""
    data: dict[str, object] = json.loads(crypto.decrypt(row.data, _associated_data(row.id)))
    return data


def purge_expired() -> None:
    """Delete the rows that have expired."""
    db.session.execute(delete(OneTimeCode).where(OneTimeCode.expires_at < clock.now()))


def _new_code(digits: int, data: dict[str, object]) -> str:
    """Return a random code, or the fixed one that development sets for a value in the data."""
    fixed = config.settings().dev_fixed_codes
    values = (value.lower() for value in data.values() if fixed and isinstance(value, str))
    code = next((fixed[value] for value in values if value in fixed), "")
    return code or crypto.random_digits(digits)


def _locked_ids(rows: Select[OneTimeCode]) -> Select[UUID]:
    """Select the ids of rows and lock them in id order, to avoid deadlocks."""
    return rows.with_only_columns(OneTimeCode.id).order_by(OneTimeCode.id).with_for_update()


def _pending(purpose: str) -> Select[OneTimeCode]:
    return select(OneTimeCode).where(
        OneTimeCode.purpose == purpose,
        OneTimeCode.used_at.is_(None),
        OneTimeCode.expires_at > clock.now(),
    )


def count_attempts(
    condition: Condition, purpose: str, max_attempts: int, counter: Counter = OneTimeCode.attempts
) -> Sequence[OneTimeCode]:
    """Count one attempt at each pending match that has attempts left, and return those rows."""
    refunds.give_back_delayed()
    ids = _locked_ids(_pending(purpose).where(condition, counter < max_attempts))
    counted = update(OneTimeCode).where(OneTimeCode.id.in_(ids), counter < max_attempts)
    with autonomous_transaction() as connection:
        statement = counted.values({counter: counter + 1}).returning(OneTimeCode.id)
        matching = connection.scalars(statement).all()
    for code_id in matching:
        refunds.add_refund((code_id, counter.key), partial(subtract_attempt, code_id, counter))
    return db.session.scalars(select(OneTimeCode).where(OneTimeCode.id.in_(matching))).all()


def requester_digests(purpose: str, token: str) -> list[str]:
    """Return the digests of a requester's token under every secret key, the active one first."""
    return crypto.keyed_digests(f"{crypto_labels.REQUESTER_PREFIX}{purpose}", token)


def is_code_of(row: OneTimeCode, code: str) -> bool:
    """Return whether a code is the row's; the caller counts the attempt."""
    return row.code_digest in _code_digests(row.id, code)


def _code_digests(code_id: UUID, code: str) -> list[str]:
    return crypto.keyed_digests(f"{crypto_labels.CODE_PREFIX}{code_id}", code)


def _associated_data(code_id: UUID) -> str:
    return crypto_labels.column_data(crypto_labels.CODE_DATA, code_id)
