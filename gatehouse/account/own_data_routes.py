"""Routes for one's own data: the history, the export, and the deletion of the account."""

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.account import data_export, deletion, forms, history
from gatehouse.account.errors import RestorationFailed
from gatehouse.authorization.errors import LastAdministrator
from gatehouse.mfa import assurance_level
from gatehouse.sessions.guards import lock_administration_first, recently_signed_in, signed_in
from gatehouse.sessions.token_response import Headers, clear_cookies_headers
from gatehouse.tokens.service import AccessToken
from gatehouse.web import cookies, pagination
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, Timestamp, page_schema

DOWNLOAD = {"Content-Disposition": 'attachment; filename="account.json"'}
"""A browser that opens the export saves it."""


def _rows() -> fields.Field[Any]:
    """Return the field of a section: rows of one table."""
    return fields.List(fields.Dict(keys=fields.String()), required=True)


routes = Blueprint("own_data", __name__, url_prefix="/auth/me", description="My data")


class HistoryItem(Schema):
    """What happened to my account, in plain words."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    at = Timestamp(required=True, metadata={"type": "string", "format": "date-time"})
    event = fields.String(required=True, metadata={"example": "login.succeeded"})
    text = fields.String(required=True, metadata={"description": "a sentence in my language"})
    by = fields.String(required=True, metadata={"enum": list(history.ACTOR_NAMES)})
    ip_address = fields.String(required=True, allow_none=True)
    device = fields.String(required=True, allow_none=True, metadata={"example": "Safari on iOS"})


class AccountExport(Schema):
    """Everything that is stored about me, by table. Secrets are not exported."""

    exported_at = fields.String(required=True, metadata={"format": "date-time"})
    account = fields.Dict(keys=fields.String(), required=True)
    password, factors, roles, external_identities = (_rows() for _ in range(4))
    sessions, devices, service_accounts = (_rows() for _ in range(3))
    codes, messages, events = (_rows() for _ in range(3))


@routes.get("/history")
@signed_in
@routes.arguments(PageQuery, location="query")
@routes.response(200, page_schema(HistoryItem))
def list_history(caller: AccessToken, query: PageQueryForm) -> dict[str, object]:
    """List what happened to my account, the newest first, in my language."""
    user_id, purpose = UUID(caller.sub), f"history {caller.sub}"
    after = pagination.decode_cursor(purpose, query.cursor)
    page = history.list_history(user_id, request_context(), query.limit, after)
    following = pagination.encode_cursor(purpose, page.following)
    return {"items": page.items, "next_cursor": following}


@routes.get("/export")
@rate_limit("change")
@recently_signed_in
@routes.response(200, AccountExport)
def export_me(caller: AccessToken) -> tuple[dict[str, object], dict[str, str]]:
    """Read everything that the service stores about me."""
    assurance_level.require_max_assurance_level(caller)
    return data_export.export_data(UUID(caller.sub)), DOWNLOAD


@routes.delete("")
@rate_limit("change")
@recently_signed_in
@routes.response(204)
@routes.errors(LastAdministrator)
def delete_me(caller: AccessToken) -> tuple[None, Headers] | None:
    """Delete my account: I am signed out everywhere, and the data is erased after a grace period.

    Until then the link in the e-mail about it restores the account.
    """
    lock_administration_first(caller)
    assurance_level.require_max_assurance_level(caller)
    deletion.delete_account(UUID(caller.sub), request_context())
    return None if cookies.has_bearer() else (None, clear_cookies_headers())


@routes.post("/restore")
@rate_limit("verify")
@routes.arguments(forms.AccountRestoration)
@routes.response(204)
@routes.errors(RestorationFailed)
def restore_me(form: forms.AccountRestorationForm) -> None:
    """Restore my deleted account with the link of the e-mail about its deletion."""
    deletion.restore_account(form.token, request_context())
