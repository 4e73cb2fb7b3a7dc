"""Requests to administer users: what can be searched, created and changed, and nothing else."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marshmallow import ValidationError, fields, post_load, validate, validates

from gatehouse.core import clock
from gatehouse.core.plugins import list_names
from gatehouse.mfa import registry
from gatehouse.users import identifiers
from gatehouse.users.forms import (
    USERNAME_METADATA,
    Identifier,
    ProfileFields,
    email_field,
    profile_fields,
    validate_username,
)
from gatehouse.users.identifiers import Email
from gatehouse.users.managed_users import STATUSES
from gatehouse.users.search import NO_FACTOR, UserFilter
from gatehouse.web.fields import CodedMessage, Form, Moment, String
from schemas import PageQuery, PageQueryForm

REASON = {"description": "kept in the audit log", "example": "reported as stolen"}
FACTOR_KINDS = (*list_names(registry.PACKAGE), NO_FACTOR)


@dataclass(frozen=True, kw_only=True)
class UserSearchForm(PageQueryForm):
    """The query `UserSearch`."""

    q: str | None = None
    status: str | None = None
    role: str | None = None
    factor: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def to_filter(self, *, whole_emails_only: bool) -> UserFilter:
        """Return what to search for."""
        dates = self.created_after, self.created_before
        return UserFilter(self.q, self.status, self.role, self.factor, *dates, whole_emails_only)


class UserSearch(PageQuery):
    """Selects users; all conditions must hold."""

    form_type = UserSearchForm

    q = String(
        254,
        metadata={
            "description": "an id or a phone number, or the beginning of an e-mail address or"
            " username"
        },
    )
    status = String(16, validate=validate.OneOf(STATUSES))
    role = String(64)
    factor = String(32, validate=validate.OneOf(FACTOR_KINDS))
    created_after = Moment()
    created_before = Moment()


@dataclass(frozen=True)
class NewUserForm:
    """The form `NewUser`."""

    email: Email
    profile: dict[str, object]


class NewUser(ProfileFields):
    """A new user, who chooses a password with the link of an invitation."""

    form_type = NewUserForm

    email = email_field()
    username = Identifier(validate_username, 32, min_length=3, metadata=USERNAME_METADATA)

    class Meta:
        """The profile's fields."""

        include = profile_fields()


@dataclass(frozen=True)
class UserUpdateForm:
    """The form `UserUpdate`."""

    fields: dict[str, object]
    """The fields to change; None clears a field."""


class UserUpdate(Form):
    """What an administrator changes of a user; null clears a field."""

    form_type = UserUpdateForm

    email = Identifier(identifiers.parse_email, 254, metadata={"format": "email"})
    username = Identifier(
        validate_username, 32, min_length=3, allow_none=True, metadata=USERNAME_METADATA
    )
    phone = Identifier(
        identifiers.parse_phone, 32, allow_none=True, metadata={"example": "+4915112345678"}
    )

    class Meta:
        """The profile's fields."""

        include = profile_fields(allow_none=True)

    @post_load
    def make_form(self, members: dict[str, object], **_: object) -> UserUpdateForm:
        """Return the fields that were sent."""
        return UserUpdateForm(members)


@dataclass(frozen=True)
class ReasonForm:
    """The form `Reason`."""

    reason: str | None = None


class Reason(Form):
    """Why an administrator does this."""

    form_type = ReasonForm

    reason = String(200, metadata=REASON)


@dataclass(frozen=True)
class DisableUserForm:
    """The form `DisableUser`."""

    reason: str
    until: datetime | None = None


class DisableUser(Form):
    """Why a user is disabled, and until when; without an end, until an administrator enables."""

    form_type = DisableUserForm

    reason = String(200, required=True, metadata=REASON)
    until = Moment()

    @validates("until")
    def require_future(self, value: datetime, **_: object) -> None:
        """Require an end that is still to come."""
        if value <= clock.now():
            raise ValidationError(CodedMessage("invalid", "Choose a time in the future."))


@dataclass(frozen=True)
class RevokeSessionsForm:
    """The form `RevokeSessions`."""

    session_id: UUID | None = None
    reason: str | None = None


class RevokeSessions(Form):
    """Which session of a user to end; without one, all of them."""

    form_type = RevokeSessionsForm

    session_id = fields.UUID()
    reason = String(200, metadata=REASON)
