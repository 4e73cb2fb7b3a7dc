"""Domain events: what a package announces, so that packages above it can react.

`app.py` lists the subscriptions. Handlers run at once, in the transaction of the publisher and in
the order of subscription. They only write rows (a message to the outbox, an ended grant), because
the transaction may still be rolled back; a handler's error rolls it back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from flask import Flask, current_app

EventType = TypeVar("EventType")
Context = TypeVar("Context")
"""The request context, of whose type `core` knows nothing."""


@dataclass(frozen=True)
class SessionEnded:
    """A session was ended; its access tokens must be rejected from now on."""

    session_id: UUID
    user_id: UUID
    reason: str


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
