"""Strict marshmallow fields: no type conversion; strings are safe to store and to display."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, ClassVar, TypedDict, Unpack

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema
from marshmallow.utils import get_value

from gatehouse.core.typed_text import normalize_code, strip_invisible

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
VISIBLE_PATTERN = rf"^[^{CONTROL}]*[^{CONTROL}\s][^{CONTROL}]*$"
ONE_LINE_PATTERN = f"^[^{CONTROL}]*$"
MULTI_LINE_PATTERN = r"^[^\u0000]*$"
CODE_PATTERN = f"^[^{CONTROL}]*[0-9A-Za-z][^{CONTROL}]*$"
BASE64URL_PATTERN = "^[A-Za-z0-9_-]*$"
"""The same rules as ECMA-262 patterns, for OpenAPI; UTF-8 has no lone surrogates anyway."""


class CodedMessage(str):
    """A field error message with a stable code."""

    code: str

    def __new__(cls, code: str, message: str) -> "CodedMessage":
        """Create the message."""
        self = super().__new__(cls, message)
        self.code = code
        return self


LIBRARY_MESSAGES: Mapping[str, CodedMessage] = {
    "Missing data for required field.": CodedMessage("required", "This field is required."),
    "Unknown field.": CodedMessage("unknown_field", "There is no such field."),
    "Field may not be null.": CodedMessage("null", "Leave this field out instead of sending null."),
    "Not a valid string.": CodedMessage("invalid_type", "Send a string."),
    "Not a valid boolean.": CodedMessage("invalid_type", "Send true or false."),
    "Not a valid integer.": CodedMessage("invalid_type", "Send a whole number."),
    "Invalid input type.": CodedMessage("invalid_type", "Send a JSON object."),
    "Not a valid mapping type.": CodedMessage("invalid", "Send a JSON object."),
    "Not a valid list.": CodedMessage("invalid", "Send a list."),
    "Not a valid UUID.": CodedMessage("invalid", "Send an id as this service returned it."),
}
"""What our clients read instead of marshmallow's own sentences, with a stable code."""


class FieldOptions(TypedDict, total=False):
    """Options of every marshmallow field, as our own fields pass them on."""

    required: bool
    allow_none: bool
    load_only: bool
    load_default: object
    data_key: str
    validate: Callable[..., object] | Sequence[Callable[..., object]]
    metadata: Mapping[str, object]


class Form(Schema):
    """A JSON object; unknown members are rejected.

    It loads into `form_type`, a dataclass that services take. A field that is not required has a
    default there.
    """

    form_type: ClassVar[type]
    alternatives: ClassVar[tuple[frozenset[str], ...]] = ()
    """The ways to fill in the form: the members that each requires and no other way may have."""

    @validates_schema
    def require_one_alternative(self, members: dict[str, object], **_: object) -> None:
        """Require all members of exactly one of the alternatives."""
        all_members: frozenset[str] = frozenset().union(*self.alternatives)
        if self.alternatives and members.keys() & all_members not in self.alternatives:
            ways = [" and ".join(sorted(way)) for way in self.alternatives]
            message = f"Send {', or '.join(ways)}."
            raise ValidationError(CodedMessage("invalid_combination", message))

    def handle_error(
        self, error: ValidationError, data: object, *, many: bool, **options: object
    ) -> None:
        """Add the nearest known field to the errors of unknown ones."""
        if isinstance(error.messages, dict):
            for name, messages in error.messages.items():
                if messages == [self.error_messages["unknown"]]:
                    error.messages[name] = [self._unknown_field(name)]

    def _unknown_field(self, name: str) -> CodedMessage:
        unknown = LIBRARY_MESSAGES["Unknown field."]
        nearest = get_close_matches(name, self.load_fields, n=1, cutoff=0.75)
        hint = f" Did you mean {nearest[0]}?" if nearest else ""
        return CodedMessage(unknown.code, unknown + hint)

    @post_load
    def make_form(self, members: dict[str, object], **_: object) -> object:
        """Return the form as a dataclass."""
        return self.form_type(**members)


class Union(Schema):
    """A response of one of several kinds, which one member identifies."""

    discriminator: ClassVar[str] = "status"
    kinds: ClassVar[Mapping[str, Schema]]
    """The schema for each value of the discriminator; the first one is of objects without it."""

    def dump(self, obj: object, *, many: bool | None = None) -> object:
        """Serialize an object with the schema of its kind."""
        kind = get_value(obj, self.discriminator, next(iter(self.kinds)))
        return self.kinds[kind].dump(obj, many=many)


class String(fields.String):
    """Unicode text of `min_length` to `max_length` code points; no NUL, no lone surrogate.

    A `one_line` string has no control characters or line separators either, so that it is safe in
    a header or a log; unless it may be empty, it has a visible character.
    """

    def __init__(
        self,
        max_length: int,
        *,
        min_length: int = 1,
        one_line: bool = True,
        **kw: Unpack[FieldOptions],
    ):
        super().__init__(**kw)
        self.min_length, self.max_length, self.one_line = min_length, max_length, one_line
        self.needs_visible = one_line and min_length > 0
        pattern = VISIBLE_PATTERN if self.needs_visible else ONE_LINE_PATTERN
        pattern = pattern if one_line else MULTI_LINE_PATTERN
        constraints = {"minLength": min_length, "maxLength": max_length, "pattern": pattern}
        self.metadata = {**constraints, **self.metadata}

    def _deserialize(self, value: object, attr: str | None, data: object, **kw: object) -> str:
        text: str = super()._deserialize(value, attr, data, **kw)
        if UNSTORABLE.search(text) or (self.one_line and UNPRINTABLE.search(text)):
            raise ValidationError(
                CodedMessage("unprintable", "Control characters are not allowed here.")
            )
        text = self.normalize(text)
        self._check_length(text)
        return text

    def normalize(self, text: str) -> str:
        """Return the text that is used instead of the one that was sent: here, the same."""
        return text

    def _check_length(self, text: str) -> None:
        if len(text) > self.max_length:
            raise ValidationError(
                CodedMessage("too_long", f"Use at most {self.max_length} characters.")
            )
        if self.needs_visible and not strip_invisible(text):
            raise ValidationError(CodedMessage("blank", "Write something here, not only spaces."))
        if len(text) < self.min_length:
            raise ValidationError(
                CodedMessage("too_short", f"Use at least {self.min_length} characters.")
            )


class TypedString(String):
    """A string that people type or paste, such as an identifier; spaces around it are ignored."""

    def normalize(self, text: str) -> str:
        """Remove the spaces and invisible characters around the text."""
        return strip_invisible(text)


class Code(String):
    """A code from a message, an app or a list; spaces and dashes in it are ignored."""

    def __init__(self, max_length: int = 64, **kw: Unpack[FieldOptions]) -> None:
        kw["metadata"] = {"pattern": CODE_PATTERN, **kw.get("metadata", {})}
        kw["load_only"] = True
        super().__init__(max_length, **kw)

    def normalize(self, text: str) -> str:
        """Remove spaces, invisible characters and dashes; write digits in ASCII."""
        return normalize_code(text)


class Boolean(fields.Boolean):
    """`true` or `false`, never a number: for Python, and so for marshmallow, 1 equals True."""

    def _deserialize(self, value: object, attr: str | None, data: object, **kw: object) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryInteger(fields.Integer):
    """A whole number in a query string or path: ASCII digits only."""

    def _deserialize(self, value: object, attr: str | None, data: object, **kw: object) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit()):
            raise self.make_error("invalid", input=value)
        number: int = super()._deserialize(value, attr, data, **kw)
        return number


class Moment(fields.Field[datetime]):
    """A time of RFC 3339 with its offset, such as 2026-12-24T18:30:00Z; loads in UTC."""

    def __init__(self, **kw: Unpack[FieldOptions]) -> None:
        super().__init__(**kw)
        self.metadata = {"type": "string", "format": "date-time", **self.metadata}

    def _deserialize(self, value: object, attr: str | None, data: object, **kw: object) -> datetime:
        if not isinstance(value, str):
            raise ValidationError(CodedMessage("invalid_type", "Send a string."))
        try:
            if RFC3339.fullmatch(value):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        message = "Write a time with its offset, such as 2026-12-24T18:30:00Z."
        raise ValidationError(CodedMessage("invalid", message))


def format_field_errors(messages: object) -> dict[str, list[dict[str, str]]]:
    """Convert marshmallow's messages to `{field: [{code, message}]}`; nested fields are dotted."""
    errors: dict[str, list[dict[str, str]]] = {}
    for path, message in _flatten_messages(messages, ()):
        known = LIBRARY_MESSAGES.get(message, message)
        item = {"code": getattr(known, "code", "invalid"), "message": str(known)}
        errors.setdefault(".".join(path) or "body", []).append(item)
    return errors


def _flatten_messages(messages: Any, path: tuple[str, ...]) -> Any:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            inner_path = path if name == "_schema" else (*path, str(name))
            yield from _flatten_messages(inner, inner_path)
    else:
        yield from ((path, message) for message in messages)
