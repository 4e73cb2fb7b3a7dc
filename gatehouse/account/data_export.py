"""Export of everything that the service stores about a user (GDPR articles 15 and 20).

Each table with rows of users has a section here, which names its columns; secrets, digests and
what has a meaning to the service only are in no section. A test compares them with the models.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from gatehouse.account import history
from gatehouse.core import clock
from gatehouse.database.session import Base, db
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.users.errors import AccountDeleted
from gatehouse.web.request_context import NO_CLIENT, OPERATOR
from gatehouse.web.user_agent import device_name
from models import (
    AuditEvent,
    Credential,
    Device,
    ExternalIdentity,
    LogoutNotification,
    OAuthConsent,
    OAuthGrant,
    OneTimeCode,
    OutboxMessage,
    PairwiseSubject,
    Password,
    RoleAssignment,
    ServiceAccount,
    Session,
    User,
    WebhookDelivery,
    WebhookEvent,
)

Json: TypeAlias = dict[str, object]


@dataclass(frozen=True)
class Section:
    """Rows of one table in an export."""

    name: str
    table: type[Base]
    owner: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None]
    """The column with the id of the user."""
    columns: tuple[str, ...]


ACCOUNT = Section(
    "account",
    User,
    User.id,
    (
        *("id", "email", "email_verified_at", "username", "phone", "phone_verified_at", "name"),
        *("locale", "attributes", "created_at", "updated_at", "disabled_at", "disabled_until"),
        *("disabled_reason", "deleted_at", "erased_after", "mfa_grace_extended_at"),
    ),
)
SECTIONS = (
    Section("password", Password, Password.user_id, ("changed_at", "compromised_at", "set_via")),
    Section(
        "factors",
        Credential,
        Credential.user_id,
        ("id", "kind", "label", "created_at", "confirmed_at", "last_used_at"),
    ),
    Section(
        "roles",
        RoleAssignment,
        RoleAssignment.user_id,
        ("role", "organization_id", "created_at", "expires_at", "reason"),
    ),
    Section(
        "external_identities",
        ExternalIdentity,
        ExternalIdentity.user_id,
        ("provider", "issuer", "subject", "created_at", "last_used_at"),
    ),
    Section(
        "sessions",
        Session,
        Session.user_id,
        (
            *("id", "created_at", "authenticated_at", "last_seen_at", "idle_at", "expires_at"),
            *("ended_at", "end_reason", "amr", "acr", "aal2_authenticated_at"),
            *("ip_address", "user_agent"),
        ),
    ),
    Section(
        "devices",
        Device,
        Device.user_id,
        ("id", "user_agent", "created_at", "last_used_at", "expires_at", "remembered_until"),
    ),
    Section(
        "service_accounts",
        ServiceAccount,
        ServiceAccount.owner_id,
        ("id", "name", "description", "enabled", "created_at"),
    ),
    Section(
        "webhook_events",
        WebhookEvent,
        WebhookEvent.user_id,
        ("id", "name", "created_at"),
    ),
    Section(
        "webhook_deliveries",
        WebhookDelivery,
        WebhookDelivery.user_id,
        ("event_id", "state", "attempts", "last_attempt_at"),
    ),
    Section(
        "consents",
        OAuthConsent,
        OAuthConsent.user_id,
        ("id", "client_id", "scopes", "resources", "created_at", "updated_at"),
    ),
    Section(
        "grants",
        OAuthGrant,
        OAuthGrant.user_id,
        (
            *("id", "client_id", "session_id", "authorized_session_id", "sid", "subject"),
            *("scopes", "resources", "authenticated_at", "amr", "acr", "created_at"),
            *("code_used_at", "last_used_at", "idle_at", "expires_at", "ended_at", "end_reason"),
        ),
    ),
    Section(
        "application_subjects",
        PairwiseSubject,
        PairwiseSubject.user_id,
        ("sector", "subject", "created_at"),
    ),
    Section(
        "logout_notifications",
        LogoutNotification,
        LogoutNotification.user_id,
        ("client_id", "subject", "sid", "created_at", "state", "attempts", "last_attempt_at"),
    ),
    Section(
        "codes",
        OneTimeCode,
        OneTimeCode.user_id,
        ("id", "purpose", "created_at", "expires_at", "used_at"),
    ),
)
EVENTS = Section(
    "events",
    AuditEvent,
    AuditEvent.user_id,
    (
        *("id", "at", "name", "outcome", "session_id", "request_id", "ip_address", "user_agent"),
        *("actor_kind", "client_id", "target_kind", "target_id", "details"),
    ),
)
MESSAGE_COLUMNS = ("id", "channel", "recipient", "template", "created_at", "sent_at")


def export_data(user_id: UUID) -> Json:
    """Return everything that is stored about a user, by section; times are RFC 3339.

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
    """
    user = users.get_user(user_id)
    if user is None:
        raise AccountDeleted
    sections = {section.name: _read_rows(section, user_id) for section in SECTIONS}
    return {
        "exported_at": clock.format_rfc3339(clock.now()),
        "account": _serialize(user, ACCOUNT.columns),
        **sections,
        "messages": _read_messages(user),
        "events": _read_events(user_id),
    }


def _read_rows(section: Section, user_id: UUID) -> list[Json]:
    oldest_first = section.table.__mapper__.primary_key
    found = select(section.table).where(section.owner == user_id).order_by(*oldest_first)
    return [
        _serialize(row, section.columns) | _name_device(row) | _hide_impersonator(row)
        for row in db.session.scalars(found)
    ]


def _name_device(row: Base) -> Json:
    """Return the name of a browser or application, which is easier to read than its user agent."""
    return {"device": device_name(row.user_agent)} if isinstance(row, Session | Device) else {}


def _hide_impersonator(row: Base) -> Json:
    """Return what is shown instead of the client of an administrator who acted as the user."""
    is_impersonation = isinstance(row, Session) and row.actor_id is not None
    return NO_CLIENT | {"device": None} if is_impersonation else {}


def _read_messages(user: User) -> list[Json]:
    """Return the messages to the user's addresses, without their texts, which contain codes."""
    recipients = [recipient.lower() for recipient in notifications.list_recipients(user)]
    matching = OutboxMessage.recipient_lower.in_(recipients)
    found = select(OutboxMessage).where(matching).order_by(OutboxMessage.id)
    return [_serialize(row, MESSAGE_COLUMNS) for row in db.session.scalars(found)]


def _read_events(user_id: UUID) -> list[Json]:
    found = select(AuditEvent).where(AuditEvent.user_id == user_id)
    events = db.session.scalars(found.order_by(AuditEvent.at, AuditEvent.id))
    return [_serialize_event(event) for event in events]


def _serialize_event(event: AuditEvent) -> Json:
    """Return an event as its user may see it, without the client and the reason of others.

    Which addresses other accounts have stays hidden, too.
    """
    shown: Json = {
        "name": history.get_public_name(event.name),
        "outcome": history.get_public_outcome(event),
    }
    is_of_others = event.actor_kind == OPERATOR or event.actor_id not in (None, event.user_id)
    if is_of_others:
        details = {key: value for key, value in event.details.items() if key != "reason"}
        shown |= NO_CLIENT | {"details": details}
    return _serialize(event, EVENTS.columns) | shown


def _serialize(row: object, columns: tuple[str, ...]) -> Json:
    return {column: _to_json(getattr(row, column)) for column in columns}


def _to_json(value: object) -> object:
    if isinstance(value, datetime):
        return clock.format_rfc3339(value)
    return str(value) if isinstance(value, UUID) else value
