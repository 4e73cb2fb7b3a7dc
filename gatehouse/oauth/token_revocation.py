"""Token revocation (RFC 7009): a refresh token ends its grant, an access token only itself."""

from uuid import UUID

from gatehouse.database.session import write_transaction
from gatehouse.oauth.grant_lifecycle import end_grant, lock_grant
from gatehouse.oauth.introspection import find_refresh_token
from gatehouse.oauth.rejected_grants import reject_foreign
from gatehouse.tokens import revocation
from gatehouse.tokens.client_tokens import verify_client_access
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenRevoked
from gatehouse.web.request_context import RequestContext
from models import OAuthClient

REVOKED = "revoked_by_client"
"""Why a grant ends whose client gave it back."""


def revoke_token(client: OAuthClient, encoded: str, context: RequestContext) -> None:
    """Revoke a token of the client; one that is not valid is revoked already (section 2.2).

    Raises:
        InvalidGrant: the token belongs to another client (section 2.1).
        RateLimited: so did too many of the network before.
    """
    refresh_token = find_refresh_token(encoded)
    if refresh_token is None:
        _revoke_access(client, encoded)
    elif refresh_token.client_id != client.id:
        reject_foreign()
    else:
        _end(UUID(refresh_token.grant_id), context)


def _end(grant_id: UUID, context: RequestContext) -> None:
    with write_transaction():
        grant = lock_grant(grant_id)
        if grant:
            end_grant(grant, REVOKED, context)


def _revoke_access(client: OAuthClient, encoded: str) -> None:
    try:
        token = verify_client_access(encoded, None)
    except (TokenInvalid, TokenExpired, TokenRevoked):
        return
    if token.client_id != client.id:
        reject_foreign()
    with write_transaction():
        revocation.revoke_token(UUID(token.jti))
