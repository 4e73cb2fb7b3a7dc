"""The current profile schema, in one row of the database: read, lock, check and replace it.

Each worker keeps it in memory. Every statement that reads users for their profile or their tokens
also reads its version; a worker whose version differs reads it again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import ColumnElement, Row, select

from gatehouse.audit.administration_events import Administration
from gatehouse.audit.service import record
from gatehouse.authorization import catalog, delegation, token_size
from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.database.statements import fetch_one
from gatehouse.tokens import custom_claims
from gatehouse.users.attribute_errors import FieldErrors
from gatehouse.users.errors import AttributesDoNotFit
from gatehouse.users.profile_schema import NOTHING_DECLARED, ProfileSchema, parse, parse_stored
from gatehouse.users.schema_limits import Definition
from gatehouse.web.request_context import RequestContext
from models import ProfileSchema as Stored
from models import User

EXTENSION = "gatehouse.profile_schema"
INITIAL = parse(NOTHING_DECLARED)
SELECT_SCHEMA = select(Stored.version, Stored.definition)
BATCH_SIZE = 500
MAX_LISTED = 100
"""Users that are named as failing; more are counted."""


@dataclass(frozen=True)
class FailingUser:
    """A user with attributes that a schema does not accept, and why."""

    user_id: UUID
    errors: FieldErrors


@dataclass(frozen=True)
class CheckResult:
    """How the attributes of all users fit a schema."""

    checked: int
    failing: list[FailingUser]
    """The first of them."""
    failing_count: int


def set_up(app: Flask) -> None:
    """Set up the memory of an application."""
    app.extensions[EXTENSION] = {}


def version_column() -> ColumnElement[object]:
    """Return a column for queries of users, from which `get_schema` finds the schema."""
    return select(Stored.version).scalar_subquery().label("profile_schema_version")


def get_schema(version: int) -> ProfileSchema:
    """Return the schema, from memory if this is its version.

    Within a transaction it is read there, so that no request needs two connections at once.
    """
    if version == INITIAL.version:
        return INITIAL
    memory = cast(dict[str, ProfileSchema], current_app.extensions[EXTENSION])
    schema = memory.get("schema")
    if schema is None or schema.version != version:
        is_in_transaction = db.session().in_transaction()
        row = db.session.execute(SELECT_SCHEMA).one() if is_in_transaction else _fetch_schema()
        schema = memory["schema"] = parse_stored(row.definition, row.version)
    return schema


def read_current_schema() -> ProfileSchema:
    """Return the current schema, in the current transaction."""
    return get_schema(db.session.scalars(select(Stored.version)).one())


def lock_current_schema() -> ProfileSchema:
    """Return the current schema, which stays until the current transaction ends.

    It is the last lock of every flow that writes attributes of a user.
    """
    version = db.session.scalars(select(Stored.version).with_for_update(read=True)).one()
    return get_schema(version)


def read_stored() -> dict[str, object]:
    """Return the current schema as administrators see it, in the current transaction."""
    row = db.session.execute(select(Stored.version, Stored.definition, Stored.changed_at)).one()
    return {"version": row.version, "schema": row.definition, "changed_at": row.changed_at}


def replace_schema(definition: Definition, context: RequestContext) -> None:
    """Replace the schema, if it accepts the attributes of all users.

    No attributes are written meanwhile: what writes them locks the row for share.

    Raises:
        ValidationFailed: the definition is no schema that is supported here.
        AttributesDoNotFit: a user has attributes that it does not accept.
        TooManyPermissions: with its claims, the access token of a user could be too large.
    """
    wanted = parse(definition)
    with write_transaction():
        delegation.lock_administration()
        row = db.session.scalars(select(Stored).with_for_update()).one()
        result = check_users(wanted)
        if result.failing:
            raise AttributesDoNotFit(result.failing_count, _list_errors(result.failing))
        row.version, row.definition, row.changed_at = row.version + 1, dict(definition), clock.now()
        row.claims_size = custom_claims.MAX_SIZE if wanted.has_claims else 0
        db.session.flush()
        known = catalog.read_catalog()
        token_size.require_small_tokens(known, known.roles)
        names = sorted(wanted.attributes)
        record(
            Administration.PROFILE_SCHEMA_CHANGED, context, version=row.version, attributes=names
        )


def check_users(schema: ProfileSchema) -> CheckResult:
    """Check the attributes of all users against a schema, in the current transaction."""
    failing: list[FailingUser] = []
    checked = failed = 0
    for user in _list_attributes():
        checked += 1
        errors = schema.find_errors(user.attributes)
        failed += bool(errors)
        if errors and len(failing) < MAX_LISTED:
            failing.append(FailingUser(user.id, errors))
    return CheckResult(checked, failing, failed)


def _list_attributes() -> Iterator[Any]:
    """Return the attributes of all users who have some, in batches."""
    after = UUID(int=0)
    query = select(User.id, User.attributes).where(User.attributes.is_not(None)).order_by(User.id)
    while rows := db.session.execute(query.where(User.id > after).limit(BATCH_SIZE)).all():
        yield from rows
        after = rows[-1].id


def _list_errors(failing: list[FailingUser]) -> FieldErrors:
    """Return the errors by user and field."""
    return {
        f"{one.user_id}.{path}": errors for one in failing for path, errors in one.errors.items()
    }


def _fetch_schema() -> Row[int, object]:
    return fetch_one(SELECT_SCHEMA)
