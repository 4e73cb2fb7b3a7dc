"""The attributes of the profile page: a field for each one that the user may read or write.

Texts, numbers, choices, and yes or no are fields; lists and objects are shown only, since their
form is the operator's.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from gatehouse.users.profile_schema import USER, ProfileSchema
from gatehouse.users.profile_schema_store import read_current_schema

PREFIX = "attributes."
"""What the names of the fields begin with, as those of errors do."""
SHOWN, YES_OR_NO, CHOICE, NUMBER, TEXT = "shown", "yes_or_no", "choice", "number", "text"
CONTROLS = {"string": TEXT, "integer": NUMBER, "number": NUMBER, "boolean": YES_OR_NO}


@dataclass(frozen=True)
class AttributeField:
    """One attribute as the page shows it; `control` says how."""

    name: str
    title: str
    hint: str
    control: str
    value: object
    choices: tuple[str, ...] = ()
    max_length: int = 1000


def list_fields(values: Mapping[str, object]) -> list[AttributeField]:
    """Return the fields of the attributes that the user may read, in the schema's order."""
    schema = read_current_schema()
    return [
        _describe(schema, name, values.get(name))
        for name, one in schema.attributes.items()
        if USER in one.readers
    ]


def read_changes(sent: Mapping[str, str]) -> dict[str, object]:
    """Return the attributes of a form with the types of the schema; an empty field removes one."""
    fields = {f"{PREFIX}{field.name}": field for field in list_fields({})}
    return {
        field.name: _convert(field, sent[name].strip())
        for name, field in fields.items()
        if name in sent and field.control != SHOWN
    }


def _describe(schema: ProfileSchema, name: str, value: object) -> AttributeField:
    declared = schema.definition["properties"][name]
    control = _control_of(declared) if name in schema.list_writable(USER) else SHOWN
    shown = value if value is None or isinstance(value, str) else json.dumps(value)
    return AttributeField(
        name,
        title=declared.get("title") or name.replace("_", " ").capitalize(),
        hint=declared.get("description", ""),
        control=control,
        value=shown,
        choices=tuple(declared["enum"]) if control == CHOICE else (),
        max_length=declared.get("maxLength", 1000),
    )


def _control_of(declared: Mapping[str, object]) -> str:
    choices = declared.get("enum")
    if isinstance(choices, list):
        return CHOICE if all(isinstance(one, str) for one in choices) else SHOWN
    return CONTROLS.get(str(declared.get("type")), SHOWN)


def _convert(field: AttributeField, text: str) -> object:
    """Return what was typed with the type that the schema wants, which validates it later."""
    if not text or field.control in (TEXT, CHOICE):
        return text or None
    with suppress(ValueError):
        return json.loads(text)  # a number, true or false
    return text
