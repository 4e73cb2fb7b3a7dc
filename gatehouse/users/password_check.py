"""Verification of an account's password, for every route that accepts one; attempts are counted."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, func, select

from gatehouse.database.session import end_transaction
from gatehouse.database.statements import fetch_one
from gatehouse.devices import service as devices
from gatehouse.lockout import credential_stuffing
from gatehouse.lockout import service as lockout
from gatehouse.lockout.backoff import PASSWORD
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import identifiers
from gatehouse.users import service as users
from gatehouse.users.counted_attempts import settle_attempt
from gatehouse.web.request_context import RequestContext
from models import Password

SELECT_GIVEN_ID = select(bindparam("user_id", type_=Uuid))
"""Selects a given user id; stands in for a lookup by identifier."""


@dataclass(frozen=True)
class AttemptTarget:
    """The account, or the unknown identifier, that an attempt to log in counts for."""

    subject: UUID | str
    """The user's id, or the canonical form of the unknown identifier."""
    device_id: UUID | None = None
    """The client's device, if this user has signed in on it before."""
    stored: passwords.PasswordHash | None = None
    """The password of the account, if it was looked up."""
    kind: str = PASSWORD
    """The kind of the counters: `password` or `code`."""

    @property
    def user_id(self) -> UUID:
        """The user's id, or `UNKNOWN_USER_ID`."""
        return self.subject if isinstance(self.subject, UUID) else users.UNKNOWN_USER_ID


@dataclass(frozen=True)
class PasswordVerified:
    """A verified password: its stored hash, and a new hash if that one is outdated."""

    stored: passwords.PasswordHash
    rehashed: passwords.PasswordHash | None


def find_by_identifier(identifier: str, context: RequestContext) -> AttemptTarget:
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


def find_by_id(subject: UUID | str, context: RequestContext) -> AttemptTarget:
    """Read the password hash of a user by id; the same work is done for an unknown identifier.

    Ends the current transaction, whose connection the attempt must not hold.
    """
    end_transaction()
    user_id = subject if isinstance(subject, UUID) else users.UNKNOWN_USER_ID
    parameters = {"user_id": user_id, **devices.device_params(context)}
    return _build_target(subject, fetch_one(_target_statement(SELECT_GIVEN_ID), **parameters))


@cache
def _target_statement(id_lookup: Select[UUID]) -> Select[*tuple[object, ...]]:
    """Return a statement for the one row of a user, or of `UNKNOWN_USER_ID` if none is found."""
    unknown_id = bindparam("unknown_user_id", users.UNKNOWN_USER_ID, Uuid)
    user_id = func.coalesce(id_lookup.scalar_subquery(), unknown_id).label("user_id")
    found = select(user_id).limit(1).subquery()  # the limit keeps it from being run three times
    device_id = devices.device_id_subquery(found.c.user_id).label("device_id")
    columns = (Password.hash, Password.pepper, Password.changed_at, Password.set_via)
    with_password = found.outerjoin(Password, Password.user_id == found.c.user_id)
    return select(found.c.user_id, device_id, *columns).select_from(with_password)


def _build_target(subject: UUID | str, row: Any) -> AttemptTarget:
    columns = (row.hash, row.pepper, row.changed_at, row.set_via)
    stored = passwords.PasswordHash(*columns) if row.hash else None
    return AttemptTarget(subject, row.device_id, stored)


def verify_password(
    target: AttemptTarget,
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
    counted = lockout.count_attempt(target.subject, target.device_id, context)
    with settle_attempt(counted, context):
        return evaluate_password(target, password, context, error_type)


def evaluate_password(
    target: AttemptTarget,
    password: str,
    context: RequestContext,
    error_type: type[InvalidCredentials] = InvalidCredentials,
) -> PasswordVerified:
    """Evaluate a password whose attempt is counted already; takes as long without an account.

    Raises:
        InvalidCredentials: the password is wrong; raised as `error_type`.
    """
    try:
        rehashed = passwords.verify_password(target.stored, password, context)
        if target.stored is None:  # even if the password matches the dummy hash
            raise WrongPassword
    except WrongPassword:
        failed = credential_stuffing.fingerprint(target.subject, password, context)
        error = error_type()
        error.on_rollback = partial(credential_stuffing.record_failed_attempt, failed, context)
        raise error from None
    return PasswordVerified(target.stored, rehashed)
