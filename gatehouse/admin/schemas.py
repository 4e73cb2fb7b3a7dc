"""Answers of the operators' API: an allow-list, so that no secret and no internal field leaves."""

from marshmallow import Schema, fields

from gatehouse.users.managed_users import STATUSES
from models import PROFILE_LENGTHS
from schemas import Timestamp, UserIdentifiers, page_schema

TIMESTAMP = {"type": "string", "format": "date-time"}
OPTIONAL_TIMESTAMP = {"type": ["string", "null"], "format": "date-time"}
UUID_FORMAT = {"format": "uuid"}


class ManagedUser(
    UserIdentifiers.from_dict(  # type: ignore[misc] # a class made from the model
        {name: fields.String(required=True, allow_none=True) for name in PROFILE_LENGTHS}
    )
):
    """A user as administrators see them."""

    attributes = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "those that administrators may read"},
    )
    status = fields.String(required=True, metadata={"enum": list(STATUSES)})
    roles = fields.List(fields.String(), required=True)
    factors = fields.List(fields.String(), required=True, metadata={"example": ["totp"]})
    password = fields.String(required=True, metadata={"enum": ["none", "set", "change_required"]})
    disabled_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    disabled_until = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    disabled_reason = fields.String(required=True, allow_none=True)
    deleted_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    erased_after = Timestamp(
        required=True, metadata=OPTIONAL_TIMESTAMP | {"description": "until then: restore"}
    )
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    updated_at = Timestamp(required=True, metadata=TIMESTAMP)


class ManagedUserPage(page_schema(ManagedUser)):  # type: ignore[misc] # made from the items
    """A page of users, the newest first."""

    estimated_total = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "exact up to 1000; on the first page only"},
    )


class ManagedSession(Schema):
    """An active session of a user."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    last_seen_at = Timestamp(required=True, metadata=TIMESTAMP)
    expires_at = Timestamp(required=True, metadata=TIMESTAMP)
    ip_address = fields.String(required=True)
    device = fields.String(required=True, metadata={"example": "Firefox on Linux"})
    amr = fields.List(fields.String(), required=True)
    acr = fields.String(required=True, metadata={"enum": ["aal1", "aal2"]})
    impersonated_by = fields.String(
        required=True,
        allow_none=True,
        metadata=UUID_FORMAT | {"description": "the administrator who acts as the user in it"},
    )


class ManagedFactor(Schema):
    """A confirmed factor of a user, without what it is verified with."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    kind = fields.String(required=True, metadata={"example": "totp"})
    label = fields.String(required=True)
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    last_used_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)


class AuditActor(Schema):
    """Who caused an event."""

    kind = fields.String(required=True, allow_none=True)
    id = fields.String(required=True, allow_none=True, metadata=UUID_FORMAT)
    client_id = fields.String(required=True, allow_none=True)


class AuditItem(Schema):
    """An event of the audit log."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    at = Timestamp(required=True, metadata=TIMESTAMP)
    name = fields.String(required=True, metadata={"example": "login.succeeded"})
    outcome = fields.String(required=True, metadata={"enum": ["success", "failure"]})
    user_id = fields.String(required=True, allow_none=True, metadata=UUID_FORMAT)
    actor = fields.Nested(AuditActor, required=True)
    target_kind = fields.String(required=True, allow_none=True)
    target_id = fields.String(required=True, allow_none=True)
    session_id = fields.String(required=True, allow_none=True, metadata=UUID_FORMAT)
    request_id = fields.String(required=True)
    ip_address = fields.String(required=True)
    device = fields.String(required=True)
    details = fields.Dict(required=True)


AuditItemPage = page_schema(AuditItem)


class IdentityItem(Schema):
    """An identity of a user at an identity provider."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    provider = fields.String(required=True, metadata={"example": "github"})
    issuer = fields.String(required=True)
    subject = fields.String(required=True, metadata={"description": "the issuer's id of the user"})
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    last_used_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)


class RiskItem(Schema):
    """The risk assessment of a login, or of a session that moved."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    at = Timestamp(required=True, metadata=TIMESTAMP)
    name = fields.String(required=True, metadata={"example": "risk.assessed"})
    decision = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "of the policy; null where the details were erased"},
    )
    findings = fields.Dict(
        required=True,
        values=fields.String(),
        metadata={"description": "a sentence for each signal that found something, by its name"},
    )
    session_id = fields.String(required=True, allow_none=True, metadata=UUID_FORMAT)
    request_id = fields.String(required=True)
    ip_address = fields.String(required=True)
    device = fields.String(required=True)


class UserMfaReset(Schema):
    """When the second factors will be removed, unless the user cancels it."""

    due_at = Timestamp(required=True, metadata=TIMESTAMP)


class ImpersonationResponse(Schema):
    """An access token to act as a user, and the session that it belongs to."""

    session_id = fields.String(required=True, metadata=UUID_FORMAT)
    access_token = fields.String(required=True)
    token_type = fields.String(required=True, metadata={"enum": ["Bearer"]})
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
