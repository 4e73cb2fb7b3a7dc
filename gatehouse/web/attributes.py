"""The form field of attributes: JSON that is safe to store and to display, whatever it means."""

from marshmallow import ValidationError, fields

from gatehouse.web.fields import UNPRINTABLE, UNSTORABLE, CodedMessage

MAX_NAME = 64
MAX_DEPTH = 6
MAX_NUMBER = 2**53  # larger ones lose digits in other JSON parsers (RFC 8259 section 6)
LINE_BREAKS = str.maketrans("", "", "\n\t")


class Attributes(fields.Dict):
    """A JSON object by name; the profile schema validates its values later."""

    def _deserialize(
        self, value: object, attr: object, data: object, **kw: object
    ) -> dict[str, object]:
        attributes: dict[str, object] = super()._deserialize(  # type: ignore[no-untyped-call] # marshmallow has no types here
            value, attr, data, **kw
        )
        for name, one in attributes.items():
            if not name or len(name) > MAX_NAME:
                raise ValidationError(CodedMessage("invalid", "There is no such field."))
            _require_safe(name, MAX_DEPTH)
            _require_safe(one, MAX_DEPTH)
        return attributes


def _require_safe(value: object, depth: int) -> None:
    """Require texts without control characters, and numbers that everyone reads alike."""
    if isinstance(value, str):
        if UNSTORABLE.search(value) or UNPRINTABLE.search(value.translate(LINE_BREAKS)):
            message = "Control characters are not allowed here."
            raise ValidationError(CodedMessage("unprintable", message))
    elif isinstance(value, int | float):
        if abs(value) > MAX_NUMBER:
            raise ValidationError(CodedMessage("out_of_range", "This number is too large."))
    elif isinstance(value, dict | list):
        _require_safe_members(value, depth)


def _require_safe_members(value: dict[str, object] | list[object], depth: int) -> None:
    if depth == 0:
        raise ValidationError(CodedMessage("too_deep", "Nest fewer objects and lists."))
    members = [*value, *value.values()] if isinstance(value, dict) else value
    for one in members:
        _require_safe(one, depth - 1)
