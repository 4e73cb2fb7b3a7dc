"""Routes: the profile schema, which says what attributes users can have."""

from dataclasses import dataclass

from marshmallow import Schema, fields

from gatehouse.authorization import permissions
from gatehouse.authorization.errors import TooManyPermissions
from gatehouse.core.errors import PreconditionFailed
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.users import profile_schema_store
from gatehouse.users.errors import AttributesDoNotFit
from gatehouse.web.etags import require_version, with_etag
from gatehouse.web.fields import Form
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import Timestamp

EXAMPLE = {
    "type": "object",
    "properties": {
        "department": {
            "enum": ["sales", "support"],
            "x-gatehouse": {"read": ["user", "administrator"], "claim": "department"},
        }
    },
}

profile_schema_routes = Blueprint(
    "profile_schema",
    __name__,
    url_prefix="/admin/profile-schema",
    description="Administration: attributes of users",
)


@dataclass(frozen=True)
class NewProfileSchemaForm:
    """The form `NewProfileSchema`."""

    schema: dict[str, object]


class NewProfileSchema(Form):
    """The attributes that users can have."""

    form_type = NewProfileSchemaForm

    schema = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "a JSON Schema, draft 2020-12", "example": EXAMPLE},
    )


class CurrentProfileSchema(Schema):
    """The attributes that users can have, and the version of this declaration."""

    version = fields.Integer(required=True)
    schema = fields.Dict(keys=fields.String(), required=True, metadata={"example": EXAMPLE})
    changed_at = Timestamp(
        required=True, metadata={"type": ["string", "null"], "format": "date-time"}
    )


@profile_schema_routes.get("")
@rate_limit("admin")
@requires(permissions.PROFILE_READ)
@profile_schema_routes.response(200, CurrentProfileSchema)
def read_profile_schema(_caller: Administrator) -> tuple[object, dict[str, str]]:
    """Read the profile schema; the `ETag` names this version of it."""
    return with_etag(profile_schema_store.read_stored())


@profile_schema_routes.put("")
@rate_limit("admin")
@requires(permissions.PROFILE_WRITE)
@profile_schema_routes.arguments(NewProfileSchema)
@profile_schema_routes.response(200, CurrentProfileSchema)
@profile_schema_routes.errors(AttributesDoNotFit, TooManyPermissions, PreconditionFailed)
@conditional
def replace_profile_schema(
    _caller: Administrator, form: NewProfileSchemaForm
) -> tuple[object, dict[str, str]]:
    """Replace the profile schema, if it accepts the attributes of all users.

    Otherwise `errors` names the first users that it does not accept, and nothing changes.
    """
    require_version(profile_schema_store.read_stored)
    profile_schema_store.replace_schema(form.schema, request_context())
    return with_etag(profile_schema_store.read_stored())
