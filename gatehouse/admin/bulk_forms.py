"""The request and the answer of one operation on many users."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from gatehouse.account.bulk_administration import OPERATIONS, BulkChange, Target
from gatehouse.admin.forms import REASON, require_future
from gatehouse.admin.role_forms import role_name
from gatehouse.admin.schemas import UUID_FORMAT
from gatehouse.web.fields import Boolean, CodedMessage, Form, Moment, String
from gatehouse.web.request_context import RequestContext

MAX_USERS = 100
"""As many as take a second or two, while other administrators wait for each single user only."""
MEMBERS = frozenset({"reason", "until", "role"})
"""The members that depend on the operation."""


class BulkTarget(Form):
    """A user, and the version that you have seen."""

    form_type = Target

    id = fields.UUID(required=True, attribute="user_id")
    etag = String(
        64,
        metadata={"description": "as in `If-Match`: nothing is changed if it is another one now"},
    )

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> Target:
        """Return the user, with the bare validator (RFC 9110 section 8.8.3)."""
        etag = members.get("etag", "*").strip('"')
        return Target(members["user_id"], None if etag == "*" else etag)


@dataclass(frozen=True)
class BulkUsersForm:
    """The form `BulkUsers`."""

    operation: str
    users: list[Target]
    reason: str | None = None
    until: datetime | None = None
    role: str = ""
    dry_run: bool = False

    def to_change(self, context: RequestContext) -> BulkChange:
        """Return the change that is asked for."""
        return BulkChange(self.operation, context, self.reason, self.until, self.role)


class BulkUsers(Form):
    """One operation on up to 100 users.

    `disable` needs a `reason` and may have an end, `until`. `assign-role` and `unassign-role` need
    a `role`; an assignment may have an end.
    """

    form_type = BulkUsersForm

    operation = fields.String(required=True, validate=validate.OneOf(list(OPERATIONS)))
    users = fields.List(
        fields.Nested(BulkTarget), required=True, validate=validate.Length(1, MAX_USERS)
    )
    reason = String(200, metadata=REASON)
    until = Moment(validate=require_future)
    role = role_name()
    dry_run = Boolean(metadata={"description": "whether to report the results only"})

    @validates_schema
    def require_members_of_operation(self, members: dict[str, Any], **_: object) -> None:
        """Require what the operation needs, and reject what it does not take."""
        operation = OPERATIONS[members["operation"]]
        sent = MEMBERS & members.keys()
        missing = operation.required - sent
        extra = sent - operation.required - operation.optional
        errors = {name: [CodedMessage("required", "This operation needs it.")] for name in missing}
        unused = CodedMessage("unknown_field", "This operation does not take it.")
        errors |= {name: [unused] for name in extra}
        if errors:
            raise ValidationError(errors)

    @validates_schema
    def require_different_users(self, members: dict[str, Any], **_: object) -> None:
        """Require that no user is named twice."""
        ids = [target.user_id for target in members["users"]]
        twice = [number for number, one in enumerate(ids) if one in ids[:number]]
        if twice:
            message = CodedMessage("duplicate", "Name each user once.")
            raise ValidationError({"users": {number: {"id": [message]} for number in twice}})


class BulkItem(Schema):
    """What became of a user; an error is that of the operation on this user alone."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    outcome = fields.String(required=True, metadata={"enum": ["success", "failure"]})
    code = fields.String(required=True, allow_none=True, metadata={"example": "not_found"})
    detail = fields.String(required=True, allow_none=True)
    next = fields.String(
        required=True, allow_none=True, metadata={"description": "what you can do now"}
    )


class BulkOutcome(Schema):
    """The results, in the order of the users."""

    dry_run = fields.Boolean(required=True, metadata={"description": "if so, nothing was changed"})
    succeeded = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    items = fields.List(fields.Nested(BulkItem), required=True)
