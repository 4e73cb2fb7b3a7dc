"""Answers about the applications that have access to a user."""

from marshmallow import Schema, fields

from schemas import Timestamp

TIMESTAMP = {"type": "string", "format": "date-time"}
OPTIONAL_TIMESTAMP = {"type": ["string", "null"], "format": "date-time"}


class GrantedScope(Schema):
    """What an application may do."""

    scope = fields.String(required=True, metadata={"example": "email"})
    description = fields.String(
        required=True,
        metadata={"example": "Read your e-mail address", "description": "in my language"},
    )


class AuthorizedApplication(Schema):
    """An application that has access to a user."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    client_id = fields.String(required=True, metadata={"example": "shop"})
    name = fields.String(required=True, metadata={"example": "Shop"})
    uri = fields.String(required=True, allow_none=True)
    logo_uri = fields.String(required=True, allow_none=True)
    terms_uri = fields.String(required=True, allow_none=True)
    privacy_uri = fields.String(required=True, allow_none=True)
    scopes = fields.List(fields.Nested(GrantedScope), required=True)
    resources = fields.List(fields.String(), required=True)
    session_ids = fields.List(
        fields.String(metadata={"format": "uuid"}),
        required=True,
        metadata={"description": "the sessions that it is used in; its access ends with them"},
    )
    offline = fields.Boolean(
        required=True, metadata={"description": "whether it keeps its access after a logout"}
    )
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    last_used_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
