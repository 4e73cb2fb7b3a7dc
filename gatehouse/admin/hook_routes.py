"""Routes: webhooks and blocking hooks."""

from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.admin.hook_forms import (
    HookUpdate,
    NewHook,
    NewHookForm,
    SecretRotation,
    SecretRotationForm,
)
from gatehouse.admin.schemas import OPTIONAL_TIMESTAMP, TIMESTAMP, UUID_FORMAT
from gatehouse.authorization import permissions
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.hooks import definitions
from gatehouse.hooks.definitions import CreatedSecret, HookChange
from gatehouse.hooks.errors import HookExists, TooManyHooks
from gatehouse.hooks.kinds import KINDS, ON_FAILURE
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web import pagination
from gatehouse.web.etags import require_version, with_etag
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, Timestamp, page_schema

CURSOR = "hooks"
hook_routes = Blueprint("hooks", __name__, url_prefix="/admin/hooks", description="Administration")


class HookItem(Schema):
    """A hook, without its secret."""

    id = fields.String(required=True, metadata=UUID_FORMAT)
    name = fields.String(required=True, metadata={"example": "fraud-check"})
    kind = fields.String(required=True, metadata={"enum": list(KINDS)})
    url = fields.String(required=True)
    events = fields.List(fields.String(), required=True)
    on_failure = fields.String(
        required=True, allow_none=True, metadata={"enum": [*ON_FAILURE, None]}
    )
    timeout_ms = fields.Integer(required=True, allow_none=True)
    enabled = fields.Boolean(required=True)
    paused_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    paused_reason = fields.String(required=True, allow_none=True)
    previous_secret_until = Timestamp(
        required=True,
        metadata=OPTIONAL_TIMESTAMP
        | {"description": "until then messages are signed with the previous secret, too"},
    )
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    updated_at = Timestamp(required=True, metadata=TIMESTAMP)


class HookWithSecret(HookItem):
    """A hook and its new secret: the only answer that contains it."""

    secret = fields.String(
        required=True, metadata={"description": "shown once; starts with `whsec_`"}
    )


@hook_routes.get("")
@rate_limit("admin")
@requires(permissions.HOOKS_READ)
@hook_routes.arguments(PageQuery, location="query")
@hook_routes.response(200, page_schema(HookItem))
def list_hooks(_caller: Administrator, query: PageQueryForm) -> dict[str, object]:
    """List the hooks, the newest first."""
    after = pagination.decode_cursor(CURSOR, query.cursor)
    rows, following = definitions.list_hooks(query.limit, after)
    items = [definitions.serialize_hook(row) for row in rows]
    return {"items": items, "next_cursor": pagination.encode_cursor(CURSOR, following)}


@hook_routes.post("")
@rate_limit("admin")
@requires(permissions.HOOKS_WRITE)
@hook_routes.arguments(NewHook)
@hook_routes.response(201, HookWithSecret)
@hook_routes.errors(HookExists, TooManyHooks)
def create_hook(_caller: Administrator, form: NewHookForm) -> tuple[object, dict[str, str]]:
    """Create a hook; the answer has the secret of its signatures, which is shown once."""
    return _show_once(definitions.create_hook(form.kind, form.change, request_context()))


@hook_routes.get("/<uuid:hook_id>")
@rate_limit("admin")
@requires(permissions.HOOKS_READ)
@hook_routes.response(200, HookItem)
@hook_routes.errors(NotFound)
def read_hook(_caller: Administrator, hook_id: UUID) -> tuple[object, dict[str, str]]:
    """Read a hook; the `ETag` names this version of it."""
    return with_etag(_read(hook_id))


@hook_routes.patch("/<uuid:hook_id>")
@rate_limit("admin")
@requires(permissions.HOOKS_WRITE)
@hook_routes.arguments(HookUpdate)
@hook_routes.response(200, HookItem)
@hook_routes.errors(NotFound, PreconditionFailed, HookExists)
@conditional
def update_hook(
    _caller: Administrator, form: HookChange, hook_id: UUID
) -> tuple[object, dict[str, str]]:
    """Change a hook; the change works everywhere within a second."""
    _require_version(hook_id)
    definitions.change_hook(hook_id, form, request_context())
    return with_etag(_read(hook_id))


@hook_routes.delete("/<uuid:hook_id>")
@rate_limit("admin")
@requires(permissions.HOOKS_WRITE)
@hook_routes.response(204)
@hook_routes.errors(NotFound, PreconditionFailed)
@conditional
def delete_hook(_caller: Administrator, hook_id: UUID) -> None:
    """Delete a hook: nothing is sent to it any more."""
    _require_version(hook_id)
    definitions.delete_hook(hook_id, request_context())


@hook_routes.post("/<uuid:hook_id>/rotate-secret")
@rate_limit("admin")
@requires(permissions.HOOKS_WRITE)
@hook_routes.arguments(SecretRotation, required=False)
@hook_routes.response(200, HookWithSecret)
@hook_routes.errors(NotFound, PreconditionFailed)
@conditional
def rotate_hook_secret(
    _caller: Administrator, form: SecretRotationForm, hook_id: UUID
) -> tuple[object, dict[str, str]]:
    """Replace the secret of a hook; by default messages have both signatures for a day."""
    _require_version(hook_id)
    return _show_once(definitions.rotate_secret(hook_id, form.overlap, request_context()))


def _read(hook_id: UUID) -> dict[str, object]:
    return definitions.serialize_hook(definitions.get_hook(hook_id))


def _require_version(hook_id: UUID) -> None:
    """Check `If-Match` when the write begins, with the lock of all changes of hooks."""

    def read_locked() -> dict[str, object]:
        definitions.lock_hooks()
        return _read(hook_id)

    require_version(read_locked)


def _show_once(created: CreatedSecret) -> tuple[object, dict[str, str]]:
    item, headers = with_etag(definitions.serialize_hook(created.row))
    return item | {"secret": created.secret}, headers
