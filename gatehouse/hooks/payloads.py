"""Payloads of webhooks: the data of each public event, and its JSON Schema (2020-12).

They contain ids and what has changed, but no e-mail address, number, name or secret: a receiver
keeps what it got, whatever its owner has erased here. The reasons are in docs/decisions/0049.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, get_args, get_origin, get_type_hints
from uuid import UUID

Json = dict[str, object]
FORMATS = {UUID: "uuid", datetime: "date-time"}


@dataclass(frozen=True)
class UserData:
    """The data of an event that concerns a user."""

    user_id: Annotated[UUID, "The id of the user, as in `sub` of tokens."]


@dataclass(frozen=True)
class ChangedUserData(UserData):
    """The data of `user.changed`."""

    fields: Annotated[
        tuple[str, ...],
        "Names of the fields that were changed or verified; read their values from the API.",
    ]


@dataclass(frozen=True)
class DeletedUserData(UserData):
    """The data of `user.deleted`."""

    erased_after: Annotated[datetime, "Until then the user can be restored."]


@dataclass(frozen=True)
class SignInData(UserData):
    """The data of `user.signed_in`."""

    session_id: Annotated[UUID, "The id of the new session, as in `sid` of tokens."]
    methods: Annotated[
        tuple[str, ...], "How the user authenticated, as in `amr` of tokens (RFC 8176)."
    ]


@dataclass(frozen=True)
class RolesData(UserData):
    """The data of `user.roles_changed`."""

    roles: Annotated[tuple[str, ...], "All roles of the user now, except `user`."]


@dataclass(frozen=True)
class PasswordData(UserData):
    """The data of `password.changed`."""

    reason: Annotated[
        str,
        "`changed` by the user, `reset` with a code, `ownership_verified` with the e-mail address,"
        " or `removed` when a change of the e-mail address was reverted.",
    ]


@dataclass(frozen=True)
class FactorData(UserData):
    """The data of `factor.added` and `factor.removed`."""

    factor_id: Annotated[UUID, "The id of the factor."]
    kind: Annotated[str, "The kind, such as `totp`, `passkey` or `recovery_codes`."]


@dataclass(frozen=True)
class SessionData(UserData):
    """The data of `session.ended`."""

    session_id: Annotated[UUID, "The id of the session, as in `sid` of tokens."]
    reason: Annotated[str, "Why, such as `logout`, `password_changed` or `user_disabled`."]


@dataclass(frozen=True)
class TestData:
    """The data of `hook.test`."""

    __test__ = False  # pytest would collect it

    hook_id: Annotated[UUID, "The id of the webhook."]


def build_schema(data_type: type) -> Json:
    """Return the JSON Schema of a dataclass; later versions may have more fields."""
    hints = get_type_hints(data_type, include_extras=True)
    properties = {one.name: _describe(hints[one.name]) for one in fields(data_type)}
    return {"type": "object", "required": list(properties), "properties": properties}


def _describe(annotated: object) -> Json:
    python_type, description = get_args(annotated)
    return {"description": description, **_describe_type(python_type)}


def _describe_type(python_type: object) -> Json:
    if get_origin(python_type) is tuple:
        return {"type": "array", "items": _describe_type(get_args(python_type)[0])}
    if python_type in FORMATS:
        return {"type": "string", "format": FORMATS[python_type]}
    return {"type": "string"}
