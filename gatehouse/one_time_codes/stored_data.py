"""Dataclasses that are stored, as encrypted JSON, with a one-time code."""

from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar

STORED_AS = "stored_as"
Value = TypeVar("Value")


def stored_as(key: str, default: Value) -> Value:
    """Return a dataclass field with its JSON key, which stays if the field is renamed."""
    result: Value = field(default=default, metadata={STORED_AS: key})
    return result


class StoredData:
    """Base class of dataclasses that convert to JSON and back."""

    def to_json(self) -> dict[str, Any]:
        """Return the members by JSON key, without those that are None."""
        members = ((key, getattr(self, name)) for key, name in _names_by_key(type(self)).items())
        return {key: value for key, value in members if value is not None}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return what `to_json` wrote, in this or an older version; other keys are ignored."""
        names = _names_by_key(cls)
        return cls(**{names[key]: value for key, value in data.items() if key in names})


@dataclass(frozen=True, kw_only=True)
class CodeData(StoredData):
    """What is stored with each code that is sent; the sender sets it."""

    user_id: str | None = None
    channel: str = stored_as("by", "email")
    """The channel that it was sent by: `email`, `sms`."""
    recipient: str = stored_as("named", "")
    """The canonical e-mail address or number."""


def _names_by_key(data_type: type[Any]) -> dict[str, str]:
    return {
        member.metadata.get(STORED_AS, member.name): member.name for member in fields(data_type)
    }
