"""What is wrong with the value of an attribute: a stable code and a plain sentence."""

from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema_rs import ValidationError

FieldErrors = dict[str, list[dict[str, str]]]
TYPES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a JSON object",
    "null": "null",
}
FORMATS = {
    "date": "a date, such as 2026-12-24",
    "date-time": "a time with its offset, such as 2026-12-24T18:30:00Z",
    "email": "an e-mail address",
    "uri": "a URL with its scheme, such as https://example.com",
    "uuid": "a UUID",
}
MAX_CHOICES = 10
MAX_ERRORS = 20
SENTENCES: Mapping[str, tuple[str, str]] = {
    "maxLength": ("too_long", "Use at most {limit} characters."),
    "minLength": ("too_short", "Use at least {limit} characters."),
    "maxItems": ("too_long", "List at most {limit}."),
    "minItems": ("too_short", "List at least {limit}."),
    "minimum": ("out_of_range", "Use {limit} or more."),
    "maximum": ("out_of_range", "Use {limit} or less."),
    "exclusiveMinimum": ("out_of_range", "Use more than {limit}."),
    "exclusiveMaximum": ("out_of_range", "Use less than {limit}."),
    "multipleOf": ("out_of_range", "Use a multiple of {multiple_of}."),
    "uniqueItems": ("duplicate", "List each value once."),
    "pattern": ("invalid", "This does not have the expected form."),
    "required": ("required", "This field is required."),
}
"""By keyword; the others are in `_build_error`."""


def unknown(name: str) -> FieldErrors:
    """Return the error of an attribute that there is not, or not for who wrote it."""
    return {f"attributes.{name}": [_error("unknown_field", "There is no such field.")]}


def claims_too_large(limit: int) -> FieldErrors:
    """Return the error of attributes that are claims, and too large for a token together."""
    message = (
        "These attributes are part of every access token, and are too long for it together:"
        f" use at most {limit} bytes."
    )
    return {"attributes": [_error("claims_too_large", message)]}


def describe(name: str, found: Iterable[ValidationError]) -> FieldErrors:
    """Return the errors of an attribute by the dotted path of the value."""
    errors: FieldErrors = {}
    for _, one in zip(range(MAX_ERRORS), found, strict=False):
        path = [f"attributes.{name}", *map(str, one.instance_path)]
        if one.kind.name == "required":
            path.append(str(one.kind.value))
        errors.setdefault(".".join(path), []).append(_build_error(one.kind))
    return errors


def _build_error(kind: Any) -> dict[str, str]:
    if kind.name in SENTENCES:
        code, sentence = SENTENCES[kind.name]
        return _error(code, sentence.format_map(kind.as_dict()))
    if kind.name == "type":
        return _error("invalid_type", f"Send {' or '.join(TYPES[one] for one in kind.types)}.")
    if kind.name == "format" and kind.format in FORMATS:
        return _error("invalid", f"Write {FORMATS[kind.format]}.")
    if kind.name == "additionalProperties":
        return _error("unknown_field", f"There is no field {kind.unexpected[0]!r}.")
    if kind.name == "enum" and len(kind.options) <= MAX_CHOICES:
        return _error("invalid", f"Choose one of: {', '.join(map(str, kind.options))}.")
    return _error("invalid", "This value is not accepted here.")


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}
