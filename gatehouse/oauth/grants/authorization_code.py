"""The grant `authorization_code` (RFC 6749 section 4.1.3) with PKCE (RFC 7636)."""

import base64
import hashlib
import re
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from gatehouse.audit.oauth_events import OAuth
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.database.session import db, write_transaction
from gatehouse.oauth import grant_state
from gatehouse.oauth.access_tokens import AccessRequest, load_custom_claims
from gatehouse.oauth.errors import InvalidGrant, InvalidRequest
from gatehouse.oauth.grant_lifecycle import end_grant, lock_grant
from gatehouse.oauth.rejected_grants import reject_foreign
from gatehouse.oauth.targets import choose_audience
from gatehouse.oauth.token_request import TokenRequest, TokenResponse
from gatehouse.oauth.token_response import build_response
from gatehouse.web.request_context import RequestContext
from models import OAuthGrant

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
"""RFC 7636 section 4.1."""
REUSED = "code_reused"
"""Why a grant ends whose code was used again."""


class CodeReused(InvalidGrant):
    """The code was used before, so the tokens that it gave are revoked, too."""

    event = OAuth.CODE_REUSED


class AuthorizationCodeGrant:
    """Exchange an authorization code for the first tokens of a grant."""

    def validate(self, request: TokenRequest) -> None:
        """Check what can be checked without the code.

        Raises:
            InvalidRequest: a parameter is missing or malformed.
        """
        request.require("code")
        verifier = request.parameters.code_verifier
        if verifier and not VERIFIER.fullmatch(verifier):
            raise InvalidRequest("code_verifier must have 43 to 128 characters (RFC 7636).")

    def tokens(self, request: TokenRequest) -> TokenResponse:
        """Redeem the code, once: every later redemption ends the grant, also a parallel one.

        Raises:
            InvalidGrant: the code is unknown, used or expired, or was given to another client, for
                another redirect URI or another PKCE challenge; the last three do not use it up.
            InvalidTarget: the resource was not granted.
        """
        code, client = crypto.digest(request.parameters.code), request.client
        grant = db.session.scalar(select(OAuthGrant).where(OAuthGrant.code_digest == code))
        if grant is None:
            raise InvalidGrant
        _require_same_request(grant, request)
        resources = [one for one in grant.resources if one in client.resources]
        audience = choose_audience(request.parameters.resource, resources)
        load_custom_claims(grant.id, request.context)
        now = clock.now()
        with write_transaction():
            row = grant_state.redeem_code(grant.id, client, now)
            if row is None:
                raise _explain(grant.id, request.context)
            _record(row, request.context)
            user = grant_state.load_user(row)
            scopes = tuple(scope for scope in row.scopes if scope in client.scopes)
            access = AccessRequest(client, row, user, audience, scopes, now)
            return build_response(access, is_first=True)


def _require_same_request(grant: OAuthGrant, request: TokenRequest) -> None:
    """Require that the code is redeemed as it was requested.

    Raises:
        InvalidGrant: it is not.
        RateLimited: it is not, like too many of the client's network before.
    """
    given, bound = request.parameters, grant.request
    same_client = grant.client_id == request.client.id
    same_uri = bound.get("redirect_uri") in (given.redirect_uri or None, None)
    if not (same_client and same_uri and _is_verified(given.code_verifier, bound)):
        reject_foreign()


def _is_verified(verifier: str, bound: dict[str, Any]) -> bool:
    """Return whether the verifier is that of the challenge, or both are absent (RFC 9700 2.1.1)."""
    challenge = bound.get("code_challenge") or ""
    digest = hashlib.sha256(verifier.encode()).digest()
    computed = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() if verifier else ""
    return crypto.constant_time_equal(computed, challenge)


def _record(row: Row[Any], context: RequestContext) -> None:
    details = {"grant_id": str(row.id), "client": row.client_id}
    record(OAuth.REDEEMED, context, user_id=row.user_id, session_id=row.session_id, **details)


def _explain(grant_id: UUID, context: RequestContext) -> InvalidGrant:
    """Return the error of a code that cannot be redeemed; a used one ends its grant."""
    grant = lock_grant(grant_id)
    if grant is None or grant.code_used_at is None:
        return InvalidGrant()
    error = CodeReused(
        user_id=grant.user_id,
        session_id=grant.session_id,
        grant_id=str(grant.id),
        client=grant.client_id,
    )
    error.on_rollback = partial(_end_reused, grant_id, context)
    return error


def _end_reused(grant_id: UUID, context: RequestContext) -> None:
    with write_transaction():
        grant = lock_grant(grant_id)
        if grant:
            end_grant(grant, REUSED, context)


plugin = AuthorizationCodeGrant()
