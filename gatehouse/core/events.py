"""Domain events: what a package announces, so that packages above it can react.

`app.py` lists the subscriptions. Handlers run at once, in the transaction of the publisher and in
the order of subscription. They only write rows (a message to the outbox, an ended grant), because
the transaction may still be rolled back; a handler's error rolls it back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from flask import Flask, current_app

EventType = TypeVar("EventType")
Context = TypeVar("Context")
"""The request context, of whose type `core` knows nothing."""


@dataclass(frozen=True)
class UserEvent(Generic[Context]):
    """Something happened to a user, in a request, command or job."""

    user_id: UUID
    context: Context


@dataclass(frozen=True)
class SessionEnded(Generic[Context]):
    """A session was ended; its access tokens must be rejected from now on."""

    session_id: UUID
    user_id: UUID
    reason: str
    context: Context


@dataclass(frozen=True)
class CredentialChanged(Generic[Context]):
    """A user's password or factors were changed; what was gained with the old ones must end."""

    user_id: UUID
    reason: str
    context: Context
    kept_session: UUID | None = None
    """The session in which the user made the change."""


@dataclass(frozen=True)
class AuthorizationChanged:
    """The roles of a user, or what a role grants, were changed."""


@dataclass(frozen=True)
class UserDisabled(Generic[Context]):
    """A user was disabled or deleted; all that gives access to the account must end at once."""

    user_id: UUID
    reason: str
    context: Context
    is_deleted: bool = False


class UserCreated(UserEvent[Context]):
    """A user was created."""


@dataclass(frozen=True)
class UserChanged(UserEvent[Context]):
    """Fields of a user, such as the name or the e-mail address, were changed or verified."""

    fields: tuple[str, ...]


class UserEnabled(UserEvent[Context]):
    """A disabled user was enabled."""


@dataclass(frozen=True)
class UserDeleted(UserEvent[Context]):
    """A user was deleted, and can be restored until the data is erased."""

    erased_after: datetime


class UserRestored(UserEvent[Context]):
    """A deleted user was restored."""


class UserErased(UserEvent[Context]):
    """The data of a deleted user was erased."""


@dataclass(frozen=True)
class UserSignedIn(UserEvent[Context]):
    """A user signed in, and a session was opened."""

    session_id: UUID
    methods: tuple[str, ...]
    """Authentication Method References (RFC 8176)."""


@dataclass(frozen=True)
class PasswordChanged(UserEvent[Context]):
    """The password of a user was replaced or removed."""

    reason: str


@dataclass(frozen=True)
class FactorAdded(UserEvent[Context]):
    """A factor of a user was confirmed, and is active."""

    factor_id: UUID
    kind: str


@dataclass(frozen=True)
class FactorRemoved(UserEvent[Context]):
    """An active factor of a user was removed."""

    factor_id: UUID
    kind: str


@dataclass(frozen=True)
class RolesChanged(UserEvent[Context]):
    """The roles of a user were changed."""

    roles: tuple[str, ...]
    """All roles that were assigned after the change, except `user`, which all users have."""


@dataclass(frozen=True)
class WebhookPaused:
    """A webhook was paused because its endpoint kept failing."""

    name: str
    reason: str


def subscribe(
    app: Flask, event_type: type[EventType], handler: Callable[[EventType], object]
) -> None:
    """Call a handler with each event of a type that the application publishes."""
    subscriptions = app.extensions.setdefault("gatehouse.events", {})
    subscriptions.setdefault(event_type, []).append(handler)


def publish(event: object) -> None:
    """Call the handlers of an event, in the current transaction."""
    handlers: list[Callable[[object], object]] = current_app.extensions["gatehouse.events"].get(
        type(event), []
    )
    for handler in handlers:
        handler(event)
