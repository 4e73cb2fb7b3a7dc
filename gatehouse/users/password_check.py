"""Verification of an account's password, for every route that accepts one; attempts are counted."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, func, select

from gatehouse.database.statements import fetch_one
from gatehouse.devices import service as devices
from gatehouse.lockout import credential_stuffing
from gatehouse.lockout import service as lockout
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import identifiers, notifications
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import Password

SELECT_GIVEN_ID = select(bindparam("user_id", type_=Uuid))
"""Selects a given user id; stands in for a lookup by identifier."""


@dataclass(frozen=True)
class PasswordTarget:
    """The account whose password is to be verified, or an unknown identifier."""

    subject: UUID | str
    """The user's id, or the canonical form of the unknown identifier."""
    user_id: UUID
    """The user's id, or `UNKNOWN_USER_ID`."""
    stored: passwords.PasswordHash | None
    device_id: UUID | None
    """The client's device, if this user has signed in on it before."""


@dataclass(frozen=True)
class PasswordVerified:
    """A verified password: its user, its stored hash, and a new hash if that one is outdated."""

    user_id: UUID
    stored: passwords.PasswordHash
    rehashed: passwords.PasswordHash | None
    failures_here: int
    """Consecutive wrong passwords just before, from the same device or network."""
    failures_from_unknown_devices: int
    """The same from all unknown devices together; 0 on a known device."""


def find_by_identifier(identifier: str, context: RequestContext) -> PasswordTarget:
    """Find the account of an identifier, and read its password hash.

    Known or not, this is one statement that returns one row, outside any transaction.
    """
    lookup = users.build_lookup(identifier)
    if lookup is None:
        return find_by_id(identifiers.canonicalize(identifier), context)
    parameters = {"canonical": lookup.canonical, **devices.device_params(context)}
    row = fetch_one(_target_statement(lookup.statement), **parameters)
    subject = row.user_id if row.user_id != users.UNKNOWN_USER_ID else lookup.canonical
    return _build_target(subject, row)


def find_by_id(subject: UUID | str, context: RequestContext) -> PasswordTarget:
    """Read the password hash of a user by id; the same work is done for an unknown identifier."""
    user_id = subject if isinstance(subject, UUID) else users.UNKNOWN_USER_ID
    parameters = {"user_id": user_id, **devices.device_params(context)}
    return _build_target(subject, fetch_one(_target_statement(SELECT_GIVEN_ID), **parameters))


@cache
def _target_statement(id_lookup: Select[UUID]) -> Select[*tuple[Any, ...]]:
    """Return a statement for the one row of a user, or of `UNKNOWN_USER_ID` if none is found."""
    unknown_id = bindparam("unknown_user_id", users.UNKNOWN_USER_ID, Uuid)
    user_id = func.coalesce(id_lookup.scalar_subquery(), unknown_id).label("user_id")
    found = select(user_id).limit(1).subquery()  # the limit keeps it from being run three times
    device_id = devices.device_id_subquery(found.c.user_id).label("device_id")
    columns = (Password.hash, Password.pepper, Password.changed_at, Password.set_via)
    with_password = found.outerjoin(Password, Password.user_id == found.c.user_id)
    return select(found.c.user_id, device_id, *columns).select_from(with_password)


def _build_target(subject: UUID | str, row: Any) -> PasswordTarget:
    user_id = subject if isinstance(subject, UUID) else users.UNKNOWN_USER_ID
    columns = (row.hash, row.pepper, row.changed_at, row.set_via)
    stored = passwords.PasswordHash(*columns) if row.hash else None
    return PasswordTarget(subject, user_id, stored, row.device_id)


def verify_password(
    target: PasswordTarget,
    password: str,
    context: RequestContext,
    error_type: type[InvalidCredentials] = InvalidCredentials,
) -> PasswordVerified:
    """Verify the account's password; the attempt is counted before it is evaluated.

    An error that keeps the password from being evaluated withdraws the count.

    Raises:
        InvalidCredentials: the password is wrong; raised as `error_type`.
        TooManyAttempts: too many passwords were wrong; this one was not evaluated.
    """
    subject, stored = target.subject, target.stored
    attempt = lockout.count_attempt(subject, target.device_id, context)
    try:
        rehashed = passwords.verify_password(stored, password, context)
        if stored is None:  # even if the password matches the dummy hash
            raise WrongPassword
    except WrongPassword:
        failed_attempt = credential_stuffing.fingerprint(subject, password, context)
        raise _build_error(error_type, attempt, failed_attempt, context) from None
    except BaseException:
        lockout.withdraw_attempt(attempt)
        raise
    lockout.reset_counters(attempt)
    from_unknown_devices = max(0, attempt.failures_from_unknown_devices - 1)
    return PasswordVerified(
        target.user_id, stored, rehashed, attempt.failures_here - 1, from_unknown_devices
    )


def _build_error(
    error_type: type[InvalidCredentials],
    attempt: lockout.CountedAttempt,
    failed_attempt: credential_stuffing.FailedAttempt,
    context: RequestContext,
) -> InvalidCredentials:
    error = error_type(user_id=attempt.user_id)
    error.on_rollback = partial(_record_failure, attempt, failed_attempt, context)
    return error


def _record_failure(
    attempt: lockout.CountedAttempt,
    failed_attempt: credential_stuffing.FailedAttempt,
    context: RequestContext,
) -> None:
    """Record the consequences of a wrong password, in the transaction after the rollback."""
    notifications.on_failed_attempt(attempt, context)
    credential_stuffing.record_failed_attempt(failed_attempt, context)
