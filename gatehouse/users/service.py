"""Users: look them up, create them, and read their profiles."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, select
from sqlalchemy.exc import IntegrityError

import config
from gatehouse.authorization import roles
from gatehouse.authorization.roles import EffectiveRoles
from gatehouse.core import clock, crypto
from gatehouse.core.errors import NotFound
from gatehouse.core.typed_text import strip_invisible
from gatehouse.database.session import db
from gatehouse.database.statements import fetch_one_or_none
from gatehouse.one_time_codes import locks
from gatehouse.one_time_codes.channel import CHANNELS, EMAIL, Recipient
from gatehouse.users import identifiers, profile_schema_store
from gatehouse.users.errors import AccountDeleted, UsernameReserved, UsernameTaken
from gatehouse.users.profile_schema import USER
from gatehouse.users.reserved_usernames import is_reserved
from models import PROFILE_LENGTHS, User

SELECT_ID_BY_EMAIL = select(User.id).where(User.email_canonical == bindparam("canonical"))
SELECT_ID_BY_USERNAME = select(User.id).where(User.username_canonical == bindparam("canonical"))
SELECT_ID_BY_PHONE = (
    select(User.id)
    .where(User.phone == bindparam("canonical"))
    .order_by(User.phone_verified_at.is_(None), User.created_at)
    .limit(1)
)
UNKNOWN_USER_ID = UUID(int=0)
"""An id without account, password or device; looking it up takes as long as a real one."""


def profile_columns() -> tuple[ColumnElement[object], ...]:
    """Return columns for queries of users, from which profile, roles and claims are made."""
    return (*roles.assignment_columns(User.id), profile_schema_store.version_column())


SELECT_PROFILE = select(*User.__table__.columns, *profile_columns()).where(
    User.id == bindparam("user_id")
)


TokenContent: TypeAlias = tuple[dict[str, object], EffectiveRoles, dict[str, object]]
"""A profile (the schema `User`), roles, and the claims that attributes become."""


@dataclass(frozen=True)
class IdentifierLookup:
    """A statement that selects at most one user id, and its parameter `canonical`."""

    statement: Select[UUID]
    canonical: str


@dataclass(frozen=True)
class UserWithProfile:
    """A user, the profile that they can read (the schema `User`), their roles and claims."""

    user: User
    profile: dict[str, Any]
    roles: EffectiveRoles
    claims: dict[str, object]

    @property
    def token_content(self) -> TokenContent:
        """What tokens are made of."""
        return self.profile, self.roles, self.claims


def get_user(user_id: UUID) -> User | None:
    """Return a user by id."""
    return db.session.get(User, user_id)


def require_user(user_id: UUID) -> User:
    """Return a user by id.

    Raises:
        NotFound: there is no such user.
    """
    user = get_user(user_id)
    if user is None:
        raise NotFound
    return user


def build_user_with_profile(user: User, row: object) -> UserWithProfile:
    """Combine a user with a row that has `profile_columns`."""
    return UserWithProfile(user, *_build_content(user, row))


lock_key = locks.user_lock_key


def find_user(identifier: str) -> User | None:
    """Find a user by e-mail address, phone number or username.

    A phone number finds the user who verified it, or else the first who entered it.
    """
    lookup = build_lookup(identifier)
    if lookup is None:
        return None
    user_id = db.session.scalar(lookup.statement, {"canonical": lookup.canonical})
    return get_user(user_id) if user_id else None


def build_lookup(identifier: str) -> IdentifierLookup | None:
    """Return the lookup of an identifier, or None if it is malformed."""
    identifier = strip_invisible(identifier)
    try:
        if "@" in identifier:
            return IdentifierLookup(
                SELECT_ID_BY_EMAIL, identifiers.parse_email(identifier).canonical
            )
        if identifier.startswith("+"):
            return IdentifierLookup(SELECT_ID_BY_PHONE, identifiers.parse_phone(identifier))
        return IdentifierLookup(SELECT_ID_BY_USERNAME, identifiers.parse_username(identifier))
    except ValueError:
        return None


def find_by_email(canonical: str) -> User | None:
    """Find the user with this canonical e-mail address."""
    return db.session.scalar(select(User).where(User.email_canonical == canonical))


def find_counted_account(canonical: str) -> UUID | str:
    """Return the account that attempts at codes for an e-mail address count for.

    It is the user's id, or the canonical form of an unknown address, at every endpoint: a count of
    its own would reveal whether there is an account.
    """
    user_id: UUID | None = db.session.scalar(SELECT_ID_BY_EMAIL, {"canonical": canonical})
    return user_id or canonical


def find_by_verified_phone(number: str) -> User | None:
    """Find the user who verified this number (E.164); there is at most one."""
    statement = select(User).where(User.phone == number, User.phone_verified_at.is_not(None))
    return db.session.scalar(statement)


def find_by_recipient(recipient: Recipient) -> tuple[User | None, Recipient]:
    """Find the user with this e-mail address, or with this verified number.

    A deleted user is not found: codes are useless for an account that only an administrator can
    restore.

    Returns:
        The user, and the recipient of messages to them: as they wrote it, in their language.
    """
    if CHANNELS[recipient.channel].identifier == EMAIL:
        user = find_by_email(recipient.canonical)
        as_written = user.email if user else recipient.as_written
    else:
        user = find_by_verified_phone(recipient.canonical)
        as_written = recipient.as_written
    if user and user.deleted_at:
        user = None
    locale = user.locale if user else None
    return user, replace(recipient, as_written=as_written, locale=locale)


def require_free_username(username: str | None, user_id: UUID | None = None) -> None:
    """Require that no other user has this username; those who have a reserved one keep it.

    Raises:
        UsernameTaken: another user has it.
        UsernameReserved: no user may choose it (see `reserved_usernames`).
    """
    existing = _find_by_username(username.lower()) if username else None
    if existing and existing.id != user_id:
        raise UsernameTaken
    if username and not existing and is_reserved(username, config.settings().service_name):
        raise UsernameReserved


def create_user(email: identifiers.Email, profile: Mapping[str, object]) -> User:
    """Create a user in the current transaction; `profile` has the fields of the sign-up form.

    Raises:
        UsernameTaken: another user took the username in the meantime.
        IntegrityError: the e-mail address has an account.
    """
    user = User(id=crypto.new_id(), email=email.as_written, email_canonical=email.canonical)
    set_fields(user, profile)
    db.session.add(user)
    flush_changes()
    return user


def set_verified_email(user: User, email: identifiers.Email) -> None:
    """Set a user's e-mail address, verified just now, in the current transaction.

    Raises:
        IntegrityError: the e-mail address has an account.
    """
    user.email, user.email_canonical = email.as_written, email.canonical
    user.email_verified_at = clock.now()
    flush_changes()


def get_profile(user_id: UUID) -> dict[str, Any]:
    """Return a user's profile (the schema `User`).

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
    """
    return _require_profile(db.session.execute(SELECT_PROFILE, {"user_id": user_id}).one_or_none())


def fetch_profile(user_id: UUID) -> dict[str, Any]:
    """Return a user's profile like `get_profile`, in one round trip outside any transaction."""
    return _require_profile(fetch_one_or_none(SELECT_PROFILE, user_id=user_id))


def _require_profile(row: object) -> dict[str, object]:
    if row is None:
        raise AccountDeleted
    return build_profile(row)[0]


def build_profile(row: object) -> TokenContent:
    """Return profile, roles and claims of a row with the SELECT_PROFILE columns."""
    return _build_content(row, row)


def _build_content(user: Any, row: Any) -> TokenContent:
    effective = roles.get_effective_roles(row, user.roles_version)
    schema = profile_schema_store.get_schema(row.profile_schema_version)
    attributes = schema.select_readable(user.attributes, USER)
    profile = _serialize(user, effective) | {"attributes": attributes}
    return profile, effective, schema.select_claims(user.attributes)


def _serialize(row: Any, effective: EffectiveRoles) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "email": row.email,
        "email_verified": row.email_verified_at is not None,
        "username": row.username,
        "phone": row.phone,
        "phone_verified": row.phone_verified_at is not None,
        **{name: getattr(row, name) for name in PROFILE_LENGTHS},
        "roles": list(effective.names),
        "created_at": row.created_at,
    }


def set_fields(user: User, values: Mapping[str, Any]) -> None:
    """Set the profile, the username and the number that `values` has, as they are."""
    for field in ("phone", *PROFILE_LENGTHS):
        if field in values:
            setattr(user, field, values[field])
    if "username" in values:
        user.username = values["username"]
        user.username_canonical = user.username.lower() if user.username else None


def flush_changes() -> None:
    """Flush the current transaction.

    Raises:
        UsernameTaken: another user took the username in the meantime.
    """
    try:
        db.session.flush()
    except IntegrityError as error:
        if "username_canonical" in str(error.orig):
            raise UsernameTaken from None
        raise


def _find_by_username(canonical: str) -> User | None:
    return db.session.scalar(select(User).where(User.username_canonical == canonical))
