"""The page of the applications that have access to the account."""

from uuid import UUID

from gatehouse.database.session import commits
from gatehouse.oauth import authorized_applications
from gatehouse.pages.account.guards import shows, submits
from gatehouse.pages.account.rendering import Variables
from gatehouse.pages.form_pages import FORM, create_blueprint
from gatehouse.tokens.service import AccessToken
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

application_routes = create_blueprint("account_applications")


@application_routes.get("/account/applications")
@commits
@shows("applications")
def show_applications(caller: AccessToken) -> Variables:
    """Show which applications have access, and to what."""
    user_id, context = UUID(caller.sub), request_context()
    return {"applications": authorized_applications.list_applications(user_id, context)}


@application_routes.post("/auth/account/applications/<uuid:grant_id>/end")
@accepts(FORM)
@commits
@submits("applications")
def revoke_access(caller: AccessToken, grant_id: UUID) -> str:
    """Revoke the access of an application."""
    authorized_applications.revoke_own_access(UUID(caller.sub), grant_id, request_context())
    return "access-revoked"
