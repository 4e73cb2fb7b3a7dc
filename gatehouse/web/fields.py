"""Strict fields: a type is never converted, and text can be stored and shown anywhere."""

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
ONE_LINE = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"
ANY_LINES = r"^[^\u0000]*$"
"""The same as ECMA-262 writes it, for the document; UTF-8 has no lone surrogates anyway."""

CODES = {
    "Missing data for required field.": "required",
    "Unknown field.": "unknown_field",
    "Field may not be null.": "null",
    "Not a valid string.": "invalid_type",
    "Not a valid boolean.": "invalid_type",
    "Not a valid integer.": "invalid_type",
    "Invalid input type.": "invalid_type",
}
"""The codes of marshmallow's own sentences."""


class Coded(str):
    """A sentence about a field, with a stable code."""

    code: str

    def __new__(cls, code: str, message: str) -> "Coded":
        """Say it."""
        self = super().__new__(cls, message)
        self.code = code
        return self


class Form(Schema):
    """A JSON object whose members are all known."""


class Text(fields.String):
    """Unicode text of `shortest` to `longest` code points; no NUL, no lone surrogate.

    `one_line` text has no control characters or line separators either, so that it can stand in a
    header or a log.
    """

    def __init__(self, longest: int, *, shortest: int = 1, one_line: bool = True, **kw: Any):
        super().__init__(**kw)
        self.shortest, self.longest, self.one_line = shortest, longest, one_line
        pattern = ONE_LINE if one_line else ANY_LINES
        about = {"minLength": shortest, "maxLength": longest, "pattern": pattern}
        self.metadata = {**about, **self.metadata}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kw)
        if UNSTORABLE.search(text) or (self.one_line and UNPRINTABLE.search(text)):
            raise ValidationError(Coded("unprintable", "Control characters cannot stand here."))
        if len(text) < self.shortest:
            raise ValidationError(Coded("too_short", f"Use at least {self.shortest} characters."))
        if len(text) > self.longest:
            raise ValidationError(Coded("too_long", f"Use at most {self.longest} characters."))
        return text


class Flag(fields.Boolean):
    """`true` or `false`, and no number: for Python, and so for marshmallow, 1 equals True."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class WholeNumber(fields.Integer):
    """A whole number as it stands in an address: ASCII digits and nothing else."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit()):
            raise self.make_error("invalid", input=value)
        number: int = super()._deserialize(value, attr, data, **kw)
        return number


def describe(messages: Any) -> dict[str, list[dict[str, str]]]:
    """Return marshmallow's messages as `{field: [{code, message}]}`; nested fields are dotted."""
    described: dict[str, list[dict[str, str]]] = {}
    for path, sentence in _leaves(messages, ()):
        item = {"code": _code(sentence), "message": str(sentence)}
        described.setdefault(".".join(path) or "body", []).append(item)
    return described


def _leaves(messages: Any, path: tuple[str, ...]) -> Any:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            own = path if name == "_schema" else (*path, str(name))
            yield from _leaves(inner, own)
    else:
        yield from ((path, sentence) for sentence in messages)


def _code(sentence: str) -> str:
    return getattr(sentence, "code", None) or CODES.get(sentence, "invalid")
