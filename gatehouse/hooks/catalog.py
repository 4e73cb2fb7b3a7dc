"""The events that webhooks deliver: what happened, their payloads, and examples.

Each is made from a domain event of `core.events`. The payload of an event changes only by new
fields; another change is a new version.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from gatehouse.core import clock
from gatehouse.core import events as domain_events
from gatehouse.hooks import payloads
from gatehouse.hooks.payloads import Json, TestData, UserData
from gatehouse.web.request_context import (
    ANONYMOUS,
    IMPERSONATOR,
    OPERATOR,
    SERVICE_ACCOUNT,
    SYSTEM,
    USER,
)

ACTORS = (USER, IMPERSONATOR, SERVICE_ACCOUNT, OPERATOR, SYSTEM, ANONYMOUS)
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_EVENT_ID = UUID("0197b1f3-6c1d-7a60-9c0e-2f6f0a3d9b11")
_USER_ID = UUID("0197b1f0-11aa-7c39-8a4d-7d3d5a0c6e22")
_OTHER_ID = UUID("0197b1f1-58b2-7f04-b6a7-0e8c1f5b7a33")
_TIME = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
_USER = UserData(_USER_ID)
_FACTOR = payloads.FactorData(_USER_ID, _OTHER_ID, "totp")


@dataclass(frozen=True)
class PublicEvent:
    """An event that webhooks deliver."""

    name: str
    description: str
    """What happened, in one sentence."""
    source: type[object] | None
    """The domain event that it is made from."""
    example: UserData | TestData
    """An example of its data, whose type is the type of the data."""
    version: int = 1
    applies_to: Callable[[Any], bool] = lambda _event: True
    """Whether a domain event of that type is this public event."""

    def build_data(self, event: object) -> UserData | TestData:
        """Return the data of a domain event: its fields of the same names."""
        data_type, names = type(self.example), [one.name for one in fields(self.example)]
        return data_type(**{name: getattr(event, name) for name in names})


@dataclass(frozen=True)
class Occurrence:
    """One occurrence of a public event."""

    event: PublicEvent
    id: UUID
    """The same for all webhooks and in all attempts."""
    occurred_at: datetime
    actor_kind: str
    data: UserData | TestData

    @property
    def body(self) -> Json:
        """The JSON object that is delivered."""
        values = {name: _to_json(value) for name, value in asdict(self.data).items()}
        return {
            "id": str(self.id),
            "type": self.event.name,
            "version": self.event.version,
            "occurred_at": clock.format_rfc3339(self.occurred_at),
            "actor_kind": self.actor_kind,
            "data": values,
        }


USER_CREATED = PublicEvent(
    "user.created",
    "A user was created: by registration, an invitation, or an administrator.",
    domain_events.UserCreated,
    _USER,
)
USER_CHANGED = PublicEvent(
    "user.changed",
    "Fields of a user, such as the name or the e-mail address, were changed or verified.",
    domain_events.UserChanged,
    payloads.ChangedUserData(_USER_ID, ("email", "name")),
)
USER_DISABLED = PublicEvent(
    "user.disabled",
    "A user was disabled, and signed out everywhere.",
    domain_events.UserDisabled,
    _USER,
    applies_to=lambda event: not event.is_deleted,
)
USER_ENABLED = PublicEvent(
    "user.enabled", "A disabled user was enabled again.", domain_events.UserEnabled, _USER
)
USER_DELETED = PublicEvent(
    "user.deleted",
    "A user was deleted and signed out everywhere, and can be restored for a time.",
    domain_events.UserDeleted,
    payloads.DeletedUserData(_USER_ID, datetime(2026, 7, 31, 9, 30, tzinfo=UTC)),
)
USER_RESTORED = PublicEvent(
    "user.restored", "A deleted user was restored.", domain_events.UserRestored, _USER
)
USER_ERASED = PublicEvent(
    "user.erased",
    "The data of a deleted user was erased; erase what you have of this user, too.",
    domain_events.UserErased,
    _USER,
)
USER_SIGNED_IN = PublicEvent(
    "user.signed_in",
    "A user signed in.",
    domain_events.UserSignedIn,
    payloads.SignInData(_USER_ID, _OTHER_ID, ("pwd", "otp", "mfa")),
)
ROLES_CHANGED = PublicEvent(
    "user.roles_changed",
    "Roles were assigned to a user or taken away; not when they expire or are deleted.",
    domain_events.RolesChanged,
    payloads.RolesData(_USER_ID, ("auditor",)),
)
PASSWORD_CHANGED = PublicEvent(
    "password.changed",
    "The password of a user was replaced or removed.",
    domain_events.PasswordChanged,
    payloads.PasswordData(_USER_ID, "reset"),
)
FACTOR_ADDED = PublicEvent(
    "factor.added", "A second factor or passkey was added.", domain_events.FactorAdded, _FACTOR
)
FACTOR_REMOVED = PublicEvent(
    "factor.removed",
    "A second factor or passkey was removed.",
    domain_events.FactorRemoved,
    _FACTOR,
)
SESSION_ENDED = PublicEvent(
    "session.ended",
    "A session was ended; not when it expires by itself.",
    domain_events.SessionEnded,
    payloads.SessionData(_USER_ID, _OTHER_ID, "logout"),
)
TEST = PublicEvent("hook.test", "An administrator tests the webhook.", None, TestData(_OTHER_ID))
EVENTS = {event.name: event for event in vars().copy().values() if isinstance(event, PublicEvent)}
"""All public events, by name."""
SELECTABLE = tuple(name for name, event in EVENTS.items() if event.source)
"""The names that a webhook can subscribe to; each gets `hook.test`."""

SOURCES = tuple(dict.fromkeys(event.source for event in EVENTS.values() if event.source))
"""The domain events that they are made from."""


def find_events(event: object) -> Iterator[PublicEvent]:
    """Yield the public events of a domain event."""
    for public in EVENTS.values():
        if public.source is type(event) and public.applies_to(event):
            yield public


def build_schema(event: PublicEvent) -> Json:
    """Return the JSON Schema of what is delivered."""
    properties: Json = {
        "id": {"type": "string", "format": "uuid"},
        "type": {"const": event.name},
        "version": {"const": event.version},
        "occurred_at": {"type": "string", "format": "date-time"},
        "actor_kind": {"enum": list(ACTORS)},
        "data": payloads.build_schema(type(event.example)),
    }
    about = {"$schema": DIALECT, "title": event.name, "description": event.description}
    return {**about, "type": "object", "required": list(properties), "properties": properties}


def build_example(event: PublicEvent) -> Json:
    """Return an example of what is delivered."""
    actor = SYSTEM if event.source in (domain_events.UserErased, None) else USER
    return Occurrence(event, _EVENT_ID, _TIME, actor, event.example).body


def _to_json(value: object) -> object:
    if isinstance(value, datetime):
        return clock.format_rfc3339(value)
    if isinstance(value, tuple):
        return [_to_json(one) for one in value]
    return str(value) if isinstance(value, UUID) else value
