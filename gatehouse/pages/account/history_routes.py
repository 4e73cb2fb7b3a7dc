"""The page of the security history: what happened to the account, in plain words."""

from contextlib import suppress
from uuid import UUID

from flask import request

from gatehouse.account import history
from gatehouse.core.errors import MalformedRequest
from gatehouse.core.i18n import gettext_noop
from gatehouse.database.session import commits
from gatehouse.pages.account.guards import shows
from gatehouse.pages.account.rendering import Variables
from gatehouse.pages.form_pages import create_blueprint
from gatehouse.tokens.service import AccessToken
from gatehouse.web import pagination
from gatehouse.web.request_context import request_context

history_routes = create_blueprint("account_history")
ROWS = 50
ACTORS = {
    "administrator": gettext_noop("by an administrator"),
    "operator": gettext_noop("by the operator of the service"),
    "program": gettext_noop("by a program of the operator"),
    "service": gettext_noop("by the service itself"),
}
"""Who else than the user acted."""


@history_routes.get("/account/history")
@commits
@shows("history")
def show_history(caller: AccessToken) -> Variables:
    """Show what happened to the account, the newest first."""
    purpose = f"history {caller.sub}"
    after = None
    with suppress(MalformedRequest):  # a cursor of another user, or of an old page: begin again
        after = pagination.decode_cursor(purpose, request.args.get("cursor"))
    found = history.list_history(UUID(caller.sub), request_context(), ROWS, after)
    following = pagination.encode_cursor(purpose, found.following)
    return {"items": found.items, "next_cursor": following, "actors": ACTORS}
