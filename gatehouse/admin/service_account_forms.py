"""Request schemas for service accounts and their API keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marshmallow import fields, post_load, validate

from gatehouse.admin.role_forms import AssignedRole, permission_name
from gatehouse.service_accounts.accounts import NAME, NAME_MESSAGE, ServiceAccountChange
from gatehouse.service_accounts.keys import DEFAULT_OVERLAP, MAX_OVERLAP, NewKey
from gatehouse.web.fields import Boolean, CodedMessage, Form, Moment, String

DEFAULT_MINUTES = DEFAULT_OVERLAP // timedelta(minutes=1)
MAX_MINUTES = MAX_OVERLAP // timedelta(minutes=1)


def _account_name(*, required: bool = False) -> String:
    check = validate.Regexp(f"{NAME}\\Z", error=CodedMessage("invalid", NAME_MESSAGE))
    shown = {"pattern": f"^{NAME}$", "example": "deploy"}
    return String(64, validate=check, metadata=shown, required=required)


class ServiceAccountMembers(Form):
    """What can be set of a service account."""

    form_type = ServiceAccountChange

    name = _account_name()
    description = String(200)
    owner_id = fields.UUID(
        metadata={"description": "the user who is responsible, and is notified of expiring keys"}
    )
    enabled = Boolean()
    roles = fields.List(
        fields.Nested(AssignedRole),
        validate=validate.Length(max=50),
        metadata={"description": "all its roles; you need all permissions that you give or take"},
    )


class ServiceAccountUpdate(ServiceAccountMembers):
    """What to change of a service account; what is left out stays."""


class NewServiceAccount(ServiceAccountMembers):
    """A service account to create."""

    name = _account_name(required=True)
    description = String(200, required=True)
    owner_id = fields.UUID(required=True)


class NewApiKey(Form):
    """An API key to create; by default it expires after 90 days."""

    form_type = NewKey

    name = String(64, required=True, metadata={"example": "CI runner"})
    permissions = fields.List(
        permission_name(),
        required=True,
        validate=validate.Length(1, 100),
        metadata={"description": "of those that the service account has"},
    )
    networks = fields.List(
        String(64, metadata={"example": "192.0.2.0/24"}),
        validate=validate.Length(max=50),
        metadata={"description": "that it may be used from; from anywhere if there are none"},
    )
    expires_at = Moment(metadata={"description": "at most 366 days from now"})


@dataclass(frozen=True)
class RotationForm:
    """The form `ApiKeyRotation`."""

    overlap: timedelta
    expires_at: datetime | None = None


class ApiKeyRotation(Form):
    """How to replace an API key; by default the new one lives as long as the old one did."""

    form_type = RotationForm

    overlap_minutes = fields.Integer(
        strict=True,
        load_default=DEFAULT_MINUTES,
        validate=validate.Range(0, MAX_MINUTES),
        metadata={"description": "for which the old key stays valid"},
    )
    expires_at = Moment(metadata={"description": "of the new key; at most 366 days from now"})

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> RotationForm:
        """Return the form."""
        overlap = timedelta(minutes=members["overlap_minutes"])
        return RotationForm(overlap, members.get("expires_at"))
