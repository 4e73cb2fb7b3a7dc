"""The grant `refresh_token` (RFC 6749 section 6), with rotation (RFC 9700 section 4.14.2)."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from gatehouse.audit.oauth_events import OAuth
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.database.session import write_transaction
from gatehouse.oauth import grant_state
from gatehouse.oauth.access_tokens import AccessRequest, load_custom_claims
from gatehouse.oauth.errors import InvalidGrant
from gatehouse.oauth.grant_lifecycle import end_grant, lock_grant
from gatehouse.oauth.rejected_grants import reject_foreign
from gatehouse.oauth.targets import choose_audience, narrow_scopes
from gatehouse.oauth.token_request import TokenRequest, TokenResponse
from gatehouse.oauth.token_response import build_response
from gatehouse.sessions import refresh_tokens
from gatehouse.tokens import specs
from gatehouse.tokens.client_tokens import ClientRefreshToken, verify_client_refresh
from gatehouse.tokens.jwt_verification import Expired, TokenMalformed
from gatehouse.web.request_context import RequestContext

REUSED = "refresh_token_reused"
"""Why a grant ends whose refresh token was used again."""


class GrantTokenReused(InvalidGrant):
    """The refresh token was used before, so all tokens of its grant are revoked."""

    event = OAuth.TOKEN_REUSED


class RefreshTokenGrant:
    """Exchange the refresh token of a grant for the next tokens."""

    def validate(self, request: TokenRequest) -> None:
        """Check what can be checked without the token.

        Raises:
            InvalidRequest: it is missing.
        """
        request.require("refresh_token")

    def tokens(self, request: TokenRequest) -> TokenResponse:
        """Rotate the refresh token.

        Within the reuse interval the grant's current token is returned again, so that a client may
        repeat a request whose answer was lost; later reuse is theft and ends the grant.

        Raises:
            InvalidGrant: the token or its grant is not valid, or belongs to another client.
            InvalidScope: a scope was not granted; nothing was changed.
            InvalidTarget: the resource was not granted; nothing was changed.
        """
        token, client, now = _verify(request), request.client, clock.now()
        grant_id = UUID(token.grant_id)
        load_custom_claims(grant_id, request.context)
        with write_transaction():
            row = grant_state.rotate_token(grant_id, UUID(token.jti), client, now)
            if row is None:
                row = _find_reusable(token, request.context, now)
            else:
                _record(row, request.context)
            granted = [scope for scope in row.scopes if scope in client.scopes]
            resources = [one for one in row.resources if one in client.resources]
            access = AccessRequest(
                client=client,
                grant=row,
                user=grant_state.load_user(row),
                audience=choose_audience(request.parameters.resource, resources),
                scopes=narrow_scopes(request.scopes, granted),
                now=now,
            )
            return build_response(access, is_first=False)


def _verify(request: TokenRequest) -> ClientRefreshToken:
    """Return the verified token.

    Raises:
        InvalidGrant: it is none of this client.
        RateLimited: it is another client's, like too many of the network before.
    """
    encoded = request.parameters.refresh_token
    try:
        token = verify_client_refresh(encoded, specs.token_endpoint())
    except (Expired, TokenMalformed):
        raise InvalidGrant from None
    if token.client_id != request.client.id:
        reject_foreign()
    return token


def _find_reusable(token: ClientRefreshToken, context: RequestContext, now: datetime) -> Row[Any]:
    """Return the grant of a token that was used within the reuse interval.

    Raises:
        InvalidGrant: the grant is not active.
        GrantTokenReused: the token was used before; the grant is ended.
    """
    grant = lock_grant(UUID(token.grant_id))
    row = grant_state.find_live(grant.id, now) if grant else None
    if grant is None or row is None or UUID(token.jti) == grant.current_token_id:
        raise InvalidGrant
    if refresh_tokens.is_reusable(grant, UUID(token.jti), now):
        return row
    error = GrantTokenReused(
        user_id=grant.user_id,
        session_id=grant.session_id,
        grant_id=str(grant.id),
        client=grant.client_id,
    )
    error.on_rollback = partial(_end_reused, grant.id, context)
    raise error


def _record(row: Row[Any], context: RequestContext) -> None:
    details = {"grant_id": str(row.id), "client": row.client_id}
    record(OAuth.REFRESHED, context, user_id=row.user_id, session_id=row.session_id, **details)


def _end_reused(grant_id: UUID, context: RequestContext) -> None:
    with write_transaction():
        grant = lock_grant(grant_id)
        if grant:
            end_grant(grant, REUSED, context)


plugin = RefreshTokenGrant()
