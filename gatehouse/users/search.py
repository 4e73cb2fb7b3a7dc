"""Search users: by the beginning of an identifier, status, role, factor and time of creation.

Every condition has an index, so that a page costs the same with a thousand and a million users.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, false, func, or_, select
from sqlalchemy import text as sql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement, Executable

from gatehouse.authorization import permissions, roles
from gatehouse.core.typed_text import strip_invisible
from gatehouse.database.pages import NewestFirst, Position
from gatehouse.database.session import db
from gatehouse.users import identifiers
from gatehouse.users.managed_users import (
    ACTIVE,
    DELETED,
    DISABLED,
    SELECT_MANAGED_USERS,
    UNVERIFIED,
)
from models import Credential, RoleAssignment, User

EXACT_COUNT = 1000
"""Up to so many results are counted; the number of more is estimated."""
NO_FACTOR = "none"
"""Filters users without a confirmed factor."""
ORDER = NewestFirst(User.created_at, User.id)
STATUS_CONDITIONS: dict[str, tuple[ColumnElement[bool], ...]] = {
    ACTIVE: (User.disabled_at.is_(None), User.email_verified_at.is_not(None)),
    DISABLED: (User.disabled_at.is_not(None), User.deleted_at.is_(None)),
    UNVERIFIED: (User.email_verified_at.is_(None), User.disabled_at.is_(None)),
    DELETED: (User.deleted_at.is_not(None),),
}


@dataclass(frozen=True)
class UserFilter:
    """Which users to find; None does not restrict."""

    text: str | None = None
    """An id or a phone number, or the beginning of an e-mail address or a username."""
    status: str | None = None
    role: str | None = None
    factor: str | None = None
    """A kind of confirmed factor, or `none`."""
    created_after: datetime | None = None
    created_before: datetime | None = None
    whole_emails_only: bool = False
    """Whether an e-mail address is found whole only, so that masked ones cannot be guessed."""


@dataclass(frozen=True)
class UserPage:
    """A page of found users."""

    rows: list[Any]
    """Rows of `SELECT_MANAGED_USERS`."""
    next_position: Position | None
    """Where the next page begins; None after the last page."""
    estimated_total: int | None
    """How many were found, exactly up to a thousand; on the first page only."""


class Explain(Executable, ClauseElement):
    """The planner's view of a statement, as JSON."""

    inherit_cache = False

    def __init__(self, statement: Select[object]) -> None:
        self.statement = statement


@compiles(Explain)
def _compile_explain(element: Explain, compiler: SQLCompiler, **options: object) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"


def search_users(wanted: UserFilter, limit: int, after: Position | None = None) -> UserPage:
    """Return a page of the users that match, the newest first."""
    conditions = _conditions(wanted)
    _plan_with_values()
    page, following = ORDER.fetch_page(SELECT_MANAGED_USERS.where(*conditions), limit, after)
    return UserPage(page, following, None if after else _estimate(conditions))


def _conditions(wanted: UserFilter) -> list[ColumnElement[bool]]:
    found = [_matches_text(wanted.text, wanted.whole_emails_only)] if wanted.text else []
    if wanted.status:
        found += STATUS_CONDITIONS[wanted.status]
    if wanted.role and wanted.role != permissions.DEFAULT_ROLE:
        found.append(User.id.in_(_select_users_with_role(wanted.role)))
    if wanted.factor:
        found.append(_has_factor(wanted.factor))
    if wanted.created_after:
        found.append(User.created_at >= wanted.created_after)
    if wanted.created_before:
        found.append(User.created_at < wanted.created_before)
    return found


def _matches_text(text: str, whole_emails_only: bool) -> ColumnElement[bool]:
    text = strip_invisible(text)
    if text.startswith("+"):
        return _has_phone(text)
    try:
        user_id = UUID(text)
    except ValueError:
        return _matches_name(identifiers.canonicalize(text), whole_emails_only)
    return User.id == user_id


def _matches_name(canonical: str, whole_emails_only: bool) -> ColumnElement[bool]:
    if whole_emails_only:
        has_email = User.email_canonical == canonical
    else:
        has_email = _starts_with(User.email_canonical, canonical)
    return or_(has_email, _starts_with(User.username_canonical, canonical))


def _has_phone(text: str) -> ColumnElement[bool]:
    try:
        return User.phone == identifiers.parse_phone(text)
    except ValueError:
        return false()


def _starts_with(column: Any, beginning: str) -> ColumnElement[bool]:
    """Match the beginning of a column with its index: SQLite has none for LIKE."""
    if db.engine.dialect.name == "postgresql":
        return cast(ColumnElement[bool], column.startswith(beginning, autoescape=True))
    return cast(ColumnElement[bool], (column >= beginning) & (column < f"{beginning}\U0010ffff"))


def _select_users_with_role(role: str) -> Select[object]:
    return select(RoleAssignment.user_id).where(
        RoleAssignment.role == role,
        RoleAssignment.subject_kind == roles.USER_SUBJECT,
        roles.is_active(),
    )


def _has_factor(kind: str) -> ColumnElement[bool]:
    confirmed = Credential.confirmed_at.is_not(None)
    if kind == NO_FACTOR:
        return ~exists().where(Credential.user_id == User.id, confirmed)
    return User.id.in_(select(Credential.user_id).where(Credential.kind == kind, confirmed))


def _plan_with_values() -> None:
    """Let PostgreSQL plan for these values, not once for all: a rare one needs another index."""
    if db.engine.dialect.name == "postgresql":
        db.session.execute(sql("SET LOCAL plan_cache_mode = force_custom_plan"))


def _estimate(conditions: list[ColumnElement[bool]]) -> int:
    found = select(User.id).where(*conditions)
    limited = found.limit(EXACT_COUNT + 1).subquery()
    counted = db.session.scalar(select(func.count()).select_from(limited)) or 0
    if counted <= EXACT_COUNT:
        return counted
    if db.engine.dialect.name != "postgresql":
        return db.session.scalar(select(func.count()).select_from(found.subquery())) or 0
    plan = db.session.execute(Explain(found)).scalar_one()
    return max(counted, int(plan[0]["Plan"]["Plan Rows"]))
