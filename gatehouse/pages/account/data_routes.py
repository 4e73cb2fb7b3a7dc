"""The page of one's own data: what is stored, the file with all of it, and the deletion."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from flask import Response, make_response, request

from gatehouse.account import data_export, deletion
from gatehouse.core.errors import reject_field
from gatehouse.core.i18n import gettext_noop
from gatehouse.database.session import commits
from gatehouse.mfa.assurance_level import require_max_assurance_level
from gatehouse.pages.account.guards import shows, submits
from gatehouse.pages.account.rendering import Variables
from gatehouse.pages.form_pages import FORM, create_blueprint, render_form_page
from gatehouse.pages.security_headers import prefer_languages
from gatehouse.sessions.guards import lock_administration_first
from gatehouse.sessions.token_response import clear_cookies_headers
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

data_routes = create_blueprint("account_data")
FIELDS = {
    "email": gettext_noop("E-mail"),
    "username": gettext_noop("Username"),
    "phone": gettext_noop("Phone number"),
    "name": gettext_noop("Your name"),
    "locale": gettext_noop("Language"),
}
SECTIONS = {
    "factors": (gettext_noop("Your passkeys and second factors"), ("label",), "created_at"),
    "sessions": (gettext_noop("Where you signed in"), ("device", "ip_address"), "created_at"),
    "devices": (gettext_noop("Known devices"), ("device",), "last_used_at"),
    "roles": (gettext_noop("Your roles"), ("role",), "created_at"),
    "external_identities": (
        gettext_noop("Linked accounts"),
        ("provider", "subject"),
        "created_at",
    ),
    "service_accounts": (gettext_noop("Accounts of your programs"), ("name",), "created_at"),
    "messages": (gettext_noop("Messages to you"), ("recipient", "template"), "created_at"),
    "codes": (gettext_noop("Codes and links"), ("purpose",), "created_at"),
}
"""Sections of the export: title, columns of a line, and the column with its time."""
UNDERSTOOD = "understood"


def _require_right_to_delete(caller: AccessToken) -> None:
    """Require what the API requires; the rules about administrators take their lock first."""
    lock_administration_first(caller)
    require_max_assurance_level(caller)


@data_routes.get("/account/data")
@commits
@shows("data", require_max_assurance_level)
def show_data(caller: AccessToken) -> Variables:
    """Show what is stored, readably; the file has every detail."""
    data = data_export.export_data(UUID(caller.sub))
    account = cast(Mapping[str, object], data["account"])
    rows = {name: cast(list[Mapping[str, object]], data[name]) for name in SECTIONS}
    return {
        "account": [(title, account[name]) for name, title in FIELDS.items() if account[name]],
        "attributes": account.get("attributes") or {},
        "sections": [
            (name, title, [_describe(row, columns, time) for row in rows[name]])
            for name, (title, columns, time) in SECTIONS.items()
        ],
    }


@data_routes.post("/auth/account/data/export")
@accepts(FORM)
@rate_limit("change")
@commits
@submits("data", require_max_assurance_level)
def download_data(caller: AccessToken) -> Response:
    """Download everything that is stored, as the API exports it."""
    data = data_export.export_data(UUID(caller.sub))
    response = make_response(json.dumps(data, indent=2, ensure_ascii=False))
    response.headers["Content-Type"] = "application/json"
    response.headers["Content-Disposition"] = 'attachment; filename="account.json"'
    return response


@data_routes.post("/auth/account/data/delete")
@accepts(FORM)
@rate_limit("change")
@commits
@submits("data", _require_right_to_delete)
def delete_account(caller: AccessToken) -> Response:
    """Delete the account, once the user has ticked that this is meant; sign out everywhere."""
    if UNDERSTOOD not in request.form:
        reject_field(UNDERSTOOD, "invalid", "Tick the box.")
    deletion.delete_account(UUID(caller.sub), request_context())
    user = users.require_user(UUID(caller.sub))
    prefer_languages(user.locale)
    response = render_form_page("account/deleted", {"erased_after": user.erased_after})
    response.headers.extend(clear_cookies_headers())
    return response


def _describe(
    row: Mapping[str, object], columns: tuple[str, ...], time: str
) -> tuple[str, datetime]:
    text = ", ".join(str(row[column]) for column in columns if row.get(column))
    return text, datetime.fromisoformat(str(row[time]))
