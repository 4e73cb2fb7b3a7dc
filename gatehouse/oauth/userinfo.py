"""The userinfo endpoint (OpenID Connect Core section 5.3)."""

from uuid import UUID

from gatehouse.core import clock
from gatehouse.oauth import claims, grant_state
from gatehouse.oauth.clients import find_client
from gatehouse.oauth.errors import InsufficientScope
from gatehouse.oauth.targets import userinfo_endpoint
from gatehouse.tokens.client_tokens import verify_client_access
from gatehouse.tokens.errors import TokenRevoked


def read_userinfo(encoded: str) -> dict[str, object]:
    """Return the claims of the user, as the scopes of an access token allow.

    Raises:
        TokenInvalid, TokenExpired, TokenRevoked: it is no valid access token for this endpoint.
        InsufficientScope: it lacks the scope `openid`.
    """
    token = verify_client_access(encoded, (userinfo_endpoint(),))
    scopes = token.scope.split()
    if token.grant_id is None or "openid" not in scopes:
        raise InsufficientScope
    grant, client = (
        grant_state.find_live(UUID(token.grant_id), clock.now()),
        find_client(token.client_id),
    )
    if grant is None or client is None:
        raise TokenRevoked
    user = grant_state.load_user(grant)
    scopes = [scope for scope in scopes if scope in client.scopes]
    requested = claims.select_requested(user, grant, client, claims.USERINFO)
    return {**claims.describe_user(user, scopes), **requested, "sub": grant.subject}
