"""The attributes of a user: who may write which, whether they are valid, and how large."""

import json
from collections.abc import Mapping

from gatehouse.core.errors import ValidationFailed, reject_field
from gatehouse.users import attribute_errors
from gatehouse.users import profile_schema_store as store
from gatehouse.users.profile_schema import ProfileSchema
from models import User

MAX_SIZE = 8 << 10  # bytes of all attributes of a user, as JSON
Values = Mapping[str, object]


def require_acceptable(changes: Values, writer: str) -> None:
    """Require that a party may write these attributes to a new account, before it is created.

    Raises:
        ValidationFailed: see `change_attributes`.
    """
    if changes:
        _merge(store.read_current_schema(), {}, changes, writer)


def change_attributes(user: User, changes: Values, writer: str) -> None:
    """Change the attributes that `changes` has, in the current transaction; None removes one.

    The user is locked by the caller. This takes the last lock of the flow, that of the schema.

    Raises:
        ValidationFailed: the party may not write one, which is an unknown field to them; or a value
            is not what the schema accepts; or all of them, or the claims of them, are too large.
    """
    if changes:
        merged = _merge(store.lock_current_schema(), user.attributes or {}, changes, writer)
        user.attributes = merged or None


def list_paths(changes: Values) -> list[str]:
    """Return the names of changed attributes, as the audit log has them, without any value."""
    return [f"attributes.{name}" for name in sorted(changes)]


def set_accepted(user: User, values: Values, writer: str) -> None:
    """Set the attributes that a pending registration has kept, as far as they are still accepted.

    The schema may have changed meanwhile, and the user has nothing left to correct them in.
    """
    if not values:
        return
    schema = store.lock_current_schema()
    writable = schema.list_writable(writer)
    kept = {
        name: value
        for name, value in values.items()
        if name in writable and not schema.find_errors({name: value})
    }
    try:
        user.attributes = _merge(schema, user.attributes or {}, kept, writer) or None
    except ValidationFailed:
        return  # together they have become too large


def _merge(
    schema: ProfileSchema, current: Values, changes: Values, writer: str
) -> dict[str, object]:
    _require_writable(schema, changes, writer)
    written = {name: value for name, value in changes.items() if value is not None}
    if errors := schema.find_errors(written):
        raise ValidationFailed(errors)
    merged = {**current, **written}
    merged = {name: value for name, value in merged.items() if changes.get(name, value) is not None}
    _require_small(schema, merged)
    return merged


def _require_writable(schema: ProfileSchema, changes: Values, writer: str) -> None:
    writable = schema.list_writable(writer)
    errors: attribute_errors.FieldErrors = {}
    for name in changes.keys() - set(writable):
        errors |= attribute_errors.unknown(name)
    if errors:
        raise ValidationFailed(errors)


def _require_small(schema: ProfileSchema, merged: Values) -> None:
    if len(json.dumps(merged)) > MAX_SIZE:
        reject_field("attributes", "too_large", f"Use at most {MAX_SIZE >> 10} KiB in all.")
    if errors := schema.find_size_errors(merged):
        raise ValidationFailed(errors)
