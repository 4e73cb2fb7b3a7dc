"""Requests to administer users: what can be searched, created and changed, and nothing else."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marshmallow import ValidationError, fields, validate

from gatehouse.core import clock
from gatehouse.core.plugins import list_names
from gatehouse.mfa import registry
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
class ReasonForm:
    """The form `Reason`."""

    reason: str | None = None


class Reason(Form):
    """Why an administrator does this."""

    form_type = ReasonForm

    reason = String(200, metadata=REASON)


def require_future(value: datetime) -> None:
    """Require an end that is still to come.

    Raises:
        ValidationError: it is over.
    """
    if value <= clock.now():
        raise ValidationError(CodedMessage("invalid", "Choose a time in the future."))


@dataclass(frozen=True)
class DisableUserForm:
    """The form `DisableUser`."""

    reason: str
    until: datetime | None = None


class DisableUser(Form):
    """Why a user is disabled, and until when; without an end, until an administrator enables."""

    form_type = DisableUserForm

    reason = String(200, required=True, metadata=REASON)
    until = Moment(validate=require_future)


@dataclass(frozen=True)
class ImpersonateForm:
    """The form `Impersonate`."""

    reason: str


class Impersonate(Form):
    """Why an administrator acts as a user."""

    form_type = ImpersonateForm

    reason = String(200, required=True, metadata=REASON | {"example": "ticket 4711"})


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
