"""Request schemas for roles, permissions and role assignments."""

from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import fields, post_load, validate

from gatehouse.authorization.assignments import Assignment
from gatehouse.authorization.definitions import PermissionChange, RoleChange
from gatehouse.authorization.permissions import AUDIENCE, PERMISSION_NAME, ROLE_NAME
from gatehouse.web.fields import CodedMessage, Form, Moment, String

LISTS = ("permissions", "parents")
ROLE_PATTERN = f"^{ROLE_NAME}$"
PERMISSION_PATTERN = f"^{PERMISSION_NAME}$"
AUDIENCE_PATTERN = f"^{AUDIENCE}$"


def _name(length: int, pattern: str, message: str, required: bool = False) -> String:
    check = validate.Regexp(f"{pattern[:-1]}\\Z", error=CodedMessage("invalid", message))
    return String(length, validate=check, metadata={"pattern": pattern}, required=required)


def role_name(required: bool = False) -> String:
    """Return the field of the name of a role."""
    message = "Use lower-case letters, digits, - and _, beginning with a letter."
    return _name(63, ROLE_PATTERN, message, required)


def permission_name(required: bool = False) -> String:
    """Return a field for the name of a permission."""
    message = "Write a resource and an action, such as orders:refund."
    return _name(64, PERMISSION_PATTERN, message, required)


@dataclass(frozen=True)
class RoleForm:
    """The form `NewRole`."""

    name: str
    change: RoleChange


@dataclass(frozen=True)
class PermissionForm:
    """The form `NewPermission`."""

    name: str
    description: str
    audience: str | None = None


@dataclass(frozen=True)
class AssignmentsForm:
    """The form `RoleAssignments`."""

    roles: list[Assignment]


def _build_change(members: dict[str, Any]) -> RoleChange:
    sets = {name: frozenset(members[name]) for name in LISTS if name in members}
    return RoleChange(members.get("description"), **sets)


class RoleMembers(Form):
    """What a role grants."""

    form_type: ClassVar[type] = RoleChange

    description = String(200)
    permissions = fields.List(permission_name(), validate=validate.Length(max=1000))
    parents = fields.List(
        role_name(),
        validate=validate.Length(max=20),
        metadata={"description": "roles that it contains"},
    )


class RoleUpdate(RoleMembers):
    """What to change of a role; lists replace those of the role."""

    @post_load
    def make_form(self, members: dict[str, object], **_: object) -> object:
        """Return the form."""
        return _build_change(members)


class NewRole(RoleMembers):
    """A role to create."""

    form_type = RoleForm

    name = role_name(required=True)
    description = String(200, required=True)

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> object:
        """Return the form: the name, and what the role grants."""
        return RoleForm(members["name"], _build_change(members))


class NewPermission(Form):
    """A permission of your application."""

    form_type = PermissionForm

    name = permission_name(required=True)
    description = String(200, required=True)
    audience = _name(255, AUDIENCE_PATTERN, "Write the audience without spaces and quotes.")


class PermissionUpdate(Form):
    """What to change of a permission."""

    form_type = PermissionChange

    description = String(200, required=True)


class AssignedRole(Form):
    """A role of a user."""

    form_type = Assignment

    role = role_name(required=True)
    expires_at = Moment(allow_none=True)
    reason = String(200, allow_none=True)


class RoleAssignments(Form):
    """All roles of a user; `user` belongs to every user without being listed."""

    form_type = AssignmentsForm

    roles = fields.List(
        fields.Nested(AssignedRole), required=True, validate=validate.Length(max=50)
    )
