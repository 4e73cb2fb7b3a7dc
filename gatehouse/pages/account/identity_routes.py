"""The page of the accounts at identity providers that the user signs in with."""

from uuid import UUID

from flask import Response, request

from gatehouse.database.session import commits
from gatehouse.federation import identities, registry, requests
from gatehouse.federation.requests import FederationRequest
from gatehouse.mfa.assurance_level import require_max_assurance_level
from gatehouse.pages.account.guards import shows, submits
from gatehouse.pages.account.rendering import Variables
from gatehouse.pages.form_pages import FORM, create_blueprint, see_other
from gatehouse.tokens.service import AccessToken
from gatehouse.users import linked_identities
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts
from models import ExternalIdentity

identity_routes = create_blueprint("account_identities")


@identity_routes.get("/account/identities")
@commits
@shows("identities", require_max_assurance_level)
def show_identities(caller: AccessToken) -> Variables:
    """Show the connected accounts, and the providers of which another can be connected."""
    rows = identities.list_for(UUID(caller.sub))
    return {
        "identities": [_describe(row) for row in rows],
        "providers": registry.list_providers(),
    }


@identity_routes.post("/auth/account/identities")
@accepts(FORM)
@rate_limit("change")
@commits
@submits("identities", require_max_assurance_level)
def link_identity(caller: AccessToken) -> Response:
    """Send the browser to a provider, which brings it back to this page."""
    provider = registry.get_provider(request.form.get("provider", ""))
    wanted = FederationRequest(
        provider=provider.name, user_id=str(caller.sub), session_id=str(caller.sid)
    )
    token = requests.begin_linking(wanted)
    return see_other(f"/auth/federation/{provider.name}?link={token}")


@identity_routes.post("/auth/account/identities/<uuid:identity_id>/remove")
@accepts(FORM)
@rate_limit("change")
@commits
@submits("identities", require_max_assurance_level)
def remove_identity(caller: AccessToken, identity_id: UUID) -> str:
    """Disconnect an account; the other sessions end."""
    session_id = UUID(caller.sid)
    linked_identities.unlink_identity(UUID(caller.sub), identity_id, session_id, request_context())
    return "identity-removed"


def _describe(row: ExternalIdentity) -> dict[str, object]:
    return {
        "id": row.id,
        "label": linked_identities.label_of(row.provider),
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
    }
