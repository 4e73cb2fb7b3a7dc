"""Looking people up, making accounts, and changing what people may change themselves."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.exc import IntegrityError

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization import roles
from gatehouse.core import clock, crypto
from gatehouse.database.session import db, writing
from gatehouse.database.statements import read_one
from gatehouse.users import identifiers
from gatehouse.users.errors import AccountGone, UsernameTaken
from gatehouse.web.request_context import Visitor
from models import User

BY_EMAIL = select(User.id).where(User.email_canonical == bindparam("canonical"))
BY_USERNAME = select(User.id).where(User.username_canonical == bindparam("canonical"))
BY_PHONE = (
    select(User.id)
    .where(User.phone == bindparam("canonical"))
    .order_by(User.phone_verified_at.is_(None), User.created_at)
    .limit(1)
)
NOBODY = UUID(int=0)
"""Has no account, password or device: looking for them takes as long as looking for somebody's."""
PROFILE = select(
    User.id,
    User.email,
    User.email_verified_at,
    User.username,
    User.phone,
    User.phone_verified_at,
    User.name,
    User.locale,
    User.created_at,
    roles.given_roles(User.id).label("given_roles"),
).where(User.id == bindparam("user_id"))


@dataclass(frozen=True)
class Search:
    """A statement that finds the id of one account at most, and its value `canonical`."""

    statement: Select[UUID]
    canonical: str


@dataclass(frozen=True)
class Person:
    """An account, and what its owner is told about it (the schema `User`)."""

    user: User
    profile: dict[str, Any]


def get(user_id: UUID) -> User | None:
    """Read an account by its id."""
    return db.session.get(User, user_id)


def person(user: User, given_roles: str | None) -> Person:
    """Return an account that was read together with `access.given_roles` as a person."""
    return Person(user, _told(user, given_roles))


def get_person(user_id: UUID) -> Person | None:
    """Read an account and its roles by one statement."""
    both = select(User, roles.given_roles(User.id)).where(User.id == user_id)
    found = db.session.execute(both).one_or_none()
    return person(*found) if found else None


def turn(user_id: UUID) -> str:
    """Return the key of `take_turns` for whatever takes an account back or changes its addresses.

    It is taken before any challenge of the person is touched: two that delete each other's would
    otherwise wait for each other for ever.
    """
    return f"account:{user_id}"


def find(identifier: str) -> User | None:
    """Find an account by e-mail address, phone number or username; each spelling has one meaning.

    A phone number means whoever proved it, else the first account that named it.
    """
    found = search(identifier)
    user_id = db.session.scalar(found.statement, {"canonical": found.canonical}) if found else None
    return get(user_id) if user_id else None


def search(identifier: str) -> Search | None:
    """Return how to find the id of the same account, or None for what can be nobody's."""
    try:
        if "@" in identifier:
            return Search(BY_EMAIL, identifiers.email(identifier).canonical)
        if identifier.startswith("+"):
            return Search(BY_PHONE, identifiers.phone(identifier))
        return Search(BY_USERNAME, identifiers.username(identifier))
    except ValueError:
        return None


def by_email(canonical: str) -> User | None:
    """Find the account with this address."""
    return db.session.scalar(select(User).where(User.email_canonical == canonical))


def by_proven_phone(number: str) -> User | None:
    """Find who has proved a number in E.164; there is one at most."""
    proven = select(User).where(User.phone == number, User.phone_verified_at.is_not(None))
    return db.session.scalar(proven)


def require_free(username: str | None, owner: UUID | None = None) -> None:
    """Return if nobody else has the username.

    Raises:
        UsernameTaken: somebody has.
    """
    holder = _by_username(username.lower()) if username else None
    if holder and holder.id != owner:
        raise UsernameTaken


def create(email: identifiers.Email, profile: dict[str, Any]) -> User:
    """Write a new account in the current transaction; `profile` as in the registration form.

    Raises:
        UsernameTaken: somebody was quicker.
        IntegrityError: the address has an account.
    """
    user = User(id=crypto.new_id(), email=email.address, email_canonical=email.canonical)
    _fill(user, profile)
    db.session.add(user)
    _flush()
    return user


def take_address(user: User, email: identifiers.Email) -> None:
    """Give an account an address that was proved just now, in the current transaction.

    Raises:
        IntegrityError: the address has an account.
    """
    user.email, user.email_canonical = email.address, email.canonical
    user.email_verified_at = clock.now()
    _flush()


def change_profile(user_id: UUID, changes: dict[str, Any], visitor: Visitor) -> User:
    """Change name, username or locale; null empties a field.

    Raises:
        UsernameTaken: somebody else has it.
    """
    with writing():
        user = get(user_id)
        if user is None:
            raise AccountGone
        require_free(changes.get("username"), owner=user_id)
        _fill(user, changes)
        record(events.Account.PROFILE_CHANGED, visitor, user_id=user_id, fields=sorted(changes))
        _flush()
    return user


def profile_of(user_id: UUID) -> dict[str, Any]:
    """Return what a person is told about their account (the schema `User`).

    Raises:
        AccountGone: the account was deleted while its tokens lived.
    """
    return _found(db.session.execute(PROFILE, {"user_id": user_id}).one_or_none())


def read_profile(user_id: UUID) -> dict[str, Any]:
    """Return the same in one round trip, outside any transaction."""
    return _found(read_one(PROFILE, user_id=user_id))


def _found(row: Any) -> dict[str, Any]:
    if row is None:
        raise AccountGone
    return _told(row, row.given_roles)


def _told(row: Any, given_roles: str | None) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "email": row.email,
        "email_verified": row.email_verified_at is not None,
        "username": row.username,
        "phone": row.phone,
        "phone_verified": row.phone_verified_at is not None,
        "name": row.name,
        "locale": row.locale,
        "roles": roles.roles(given_roles),
        "created_at": row.created_at,
    }


def _fill(user: User, values: dict[str, Any]) -> None:
    for field in ("name", "locale", "phone"):
        if field in values:
            setattr(user, field, values[field])
    if "username" in values:
        user.username = values["username"]
        user.username_canonical = user.username.lower() if user.username else None


def _flush() -> None:
    """Write; the unique index has the last word on usernames."""
    try:
        db.session.flush()
    except IntegrityError as conflict:
        if "username_canonical" in str(conflict.orig):
            raise UsernameTaken from None
        raise


def _by_username(canonical: str) -> User | None:
    return db.session.scalar(select(User).where(User.username_canonical == canonical))
