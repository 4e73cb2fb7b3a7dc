"""The developer mailbox in the OpenAPI document, in development only."""

from apispec import APISpec
from marshmallow import Schema, fields
from werkzeug.routing import Rule

from gatehouse.core.errors import MalformedRequest
from gatehouse.web.openapi_operations import document_errors
from schemas import Timestamp


class Message(Schema):
    """An e-mail or SMS that was sent."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    channel = fields.String(required=True, metadata={"enum": ["email", "sms"]})
    to = fields.String(required=True)
    subject = fields.String(required=True, metadata={"description": "empty for an SMS"})
    text = fields.String(required=True)
    html = fields.String(required=True, metadata={"description": "empty for an SMS"})
    template = fields.String(required=True)
    variables = fields.Dict(required=True, metadata={"description": "such as `code` and `link`"})
    created_at = Timestamp(required=True, metadata={"type": "string", "format": "date-time"})


class MessageList(Schema):
    """Messages, newest first."""

    items = fields.List(fields.Nested(Message), required=True)


LIST_MESSAGES = {
    "operationId": "list_messages",
    "summary": "List all e-mails and SMS",
    "description": "In development only; browsers get a page.",
    "tags": ["mailbox"],
    "parameters": [
        {
            "name": "to",
            "in": "query",
            "description": "The e-mail address or number of the recipient.",
            "schema": {"type": "string"},
        }
    ],
    "responses": {
        "200": {
            "description": "The messages, newest first.",
            "content": {"application/json": {"schema": MessageList}},
        },
        "400": document_errors((MalformedRequest,)),
    },
}
DELETE_MESSAGES = {
    "operationId": "delete_messages",
    "summary": "Delete all e-mails and SMS",
    "description": "In development only.",
    "tags": ["mailbox"],
    "responses": {
        "204": {"description": "The mailbox is empty."},
        "400": document_errors((MalformedRequest,)),
    },
}


def document_mailbox(spec: APISpec) -> None:
    """Add the mailbox to the OpenAPI document."""
    spec.tag({"name": "mailbox", "description": "What was sent, in development only"})
    operations = {"get": LIST_MESSAGES, "delete": DELETE_MESSAGES}
    spec.path(rule=Rule("/dev/mailbox"), operations=operations)
