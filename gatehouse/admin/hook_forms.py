"""Request schemas for hooks."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from marshmallow import fields, post_load, validate

from gatehouse.hooks.definitions import (
    DEFAULT_OVERLAP,
    MAX_OVERLAP,
    MAX_URL_LENGTH,
    NAME,
    NAME_MESSAGE,
    HookChange,
)
from gatehouse.hooks.deliveries import ReplayRequest
from gatehouse.hooks.kinds import EVENT_NAME, KINDS, MAX_TIMEOUT, MIN_TIMEOUT, ON_FAILURE
from gatehouse.web.fields import Boolean, CodedMessage, Form, Moment, String

DEFAULT_MINUTES = DEFAULT_OVERLAP // timedelta(minutes=1)
MAX_MINUTES = MAX_OVERLAP // timedelta(minutes=1)


@dataclass(frozen=True)
class NewHookForm:
    """The form `NewHook`."""

    kind: str
    change: HookChange


@dataclass(frozen=True)
class SecretRotationForm:
    """The form `SecretRotation`."""

    overlap: timedelta


def _pattern(pattern: str, message: str, example: str, required: bool = False) -> String:
    check = validate.Regexp(f"({pattern})\\Z", error=CodedMessage("invalid", message))
    shown = {"pattern": f"^({pattern})$", "example": example}
    return String(64, validate=check, metadata=shown, required=required)


def _name(required: bool = False) -> String:
    return _pattern(NAME, NAME_MESSAGE, "fraud-check", required)


def _url(required: bool = False) -> String:
    shown = {"format": "uri", "example": "https://hooks.example.com/gatehouse"}
    return String(MAX_URL_LENGTH, metadata=shown, required=required)


class HookMembers(Form):
    """What can be set of a hook."""

    name = _name()
    url = _url()
    events = fields.List(
        _pattern(EVENT_NAME, "Write the name of an event, or *.", "*"),
        validate=validate.Length(max=100),
        metadata={"description": "of a webhook: the events that it gets, or `*` for all"},
    )
    on_failure = String(
        8,
        validate=validate.OneOf(ON_FAILURE, error=CodedMessage("invalid", "Write allow or deny.")),
        metadata={
            "enum": list(ON_FAILURE),
            "description": "of a blocking hook: what is decided while it does not answer",
        },
    )
    timeout_ms = fields.Integer(
        strict=True,
        validate=validate.Range(MIN_TIMEOUT, MAX_TIMEOUT),
        metadata={"description": "of a blocking hook: how long it may take"},
    )
    enabled = Boolean(metadata={"description": "true also ends a pause"})


class HookUpdate(HookMembers):
    """What to change of a hook; what is left out stays."""

    form_type = HookChange


class NewHook(HookMembers):
    """A hook to create."""

    form_type = NewHookForm

    kind = String(
        32,
        required=True,
        validate=validate.OneOf(
            KINDS, error=CodedMessage("invalid", f"Write one of: {', '.join(KINDS)}.")
        ),
        metadata={"enum": list(KINDS)},
    )
    name = _name(required=True)
    url = _url(required=True)

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> NewHookForm:
        """Return the form."""
        return NewHookForm(members.pop("kind"), HookChange(**members))


class Replay(Form):
    """Which events to deliver again, all of the last two weeks by default."""

    form_type = ReplayRequest

    event_id = fields.UUID(metadata={"description": "only this one, by its `webhook-id`"})
    since = Moment(metadata={"description": "only those since this time"})


class SecretRotation(Form):
    """How to replace the signing secret of a hook."""

    form_type = SecretRotationForm

    overlap_minutes = fields.Integer(
        strict=True,
        load_default=DEFAULT_MINUTES,
        validate=validate.Range(0, MAX_MINUTES),
        metadata={"description": "for which messages are signed with the old secret, too"},
    )

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> SecretRotationForm:
        """Return the form."""
        return SecretRotationForm(timedelta(minutes=members["overlap_minutes"]))
