"""Token introspection (RFC 7662), for its client and for the resource it is meant for."""

from uuid import UUID

import config
from gatehouse.authorization import api_keys
from gatehouse.core import clock
from gatehouse.oauth import grant_state
from gatehouse.oauth.client_metadata import NO_METHOD
from gatehouse.oauth.clients import find_client
from gatehouse.oauth.errors import InvalidClient
from gatehouse.tokens import specs
from gatehouse.tokens.client_tokens import (
    ClientAccessToken,
    ClientRefreshToken,
    verify_client_access,
    verify_client_refresh,
)
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenRevoked
from gatehouse.tokens.jwt_verification import Expired, TokenMalformed
from models import OAuthClient

INACTIVE: dict[str, object] = {"active": False}
"""All that is said about a token that is foreign, expired, revoked or none (section 2.2)."""


def introspect_token(client: OAuthClient, encoded: str) -> dict[str, object]:
    """Return what a token says, if it is valid and the client's business.

    Raises:
        InvalidClient: the client is public: it does not authenticate.
    """
    if client.authentication_method == NO_METHOD:
        raise InvalidClient("Only clients that authenticate may introspect tokens.")
    return _describe_access(client, encoded) or _describe_refresh(client, encoded) or INACTIVE


def _describe_access(client: OAuthClient, encoded: str) -> dict[str, object] | None:
    try:
        token = verify_client_access(encoded, None)
    except (TokenInvalid, TokenExpired, TokenRevoked):
        return None
    is_meant = token.client_id == client.id or token.aud in client.resources
    if not is_meant or not _is_alive(token):
        return None
    return {
        "active": True,
        "token_type": "Bearer",
        "iss": config.settings().public_url,
        **{name: getattr(token, name) for name in ("sub", "client_id", "aud", "scope", "jti")},
        **{name: getattr(token, name) for name in ("iat", "exp")},
        **(_describe_authentication(token) if token.grant_id else {}),
    }


def _describe_authentication(token: ClientAccessToken) -> dict[str, object]:
    roles = {"roles": list(token.roles)} if token.roles else {}
    amr = list(token.amr)
    return {"sid": token.sid, "auth_time": token.auth_time, "acr": token.acr, "amr": amr, **roles}


def _is_alive(token: ClientAccessToken) -> bool:
    """Return whether the grant is active; without one, whether who got the token is enabled.

    A client may act as a service account, and an account gets tokens with its API keys alone.
    """
    if token.grant_id:
        return grant_state.find_live(UUID(token.grant_id), clock.now()) is not None
    account_id = _account_id(token.sub)
    if account_id and not api_keys.is_account_enabled(account_id):
        return False
    return bool(account_id and token.sub == token.client_id) or _is_enabled(token.client_id)


def _account_id(subject: str) -> UUID | None:
    """Return the id of a service account; clients have no ids that look like one."""
    try:
        return UUID(subject)
    except ValueError:
        return None


def _is_enabled(client_id: str) -> bool:
    return find_client(client_id) is not None


def _describe_refresh(client: OAuthClient, encoded: str) -> dict[str, object] | None:
    token = find_refresh_token(encoded)
    if token is None or token.client_id != client.id:
        return None
    grant = grant_state.find_live(UUID(token.grant_id), clock.now())
    if grant is None or grant.current_token_id != UUID(token.jti):
        return None
    return {
        "active": True,
        "iss": config.settings().public_url,
        "aud": specs.token_endpoint(),
        **{name: getattr(token, name) for name in ("sub", "client_id", "jti", "iat", "exp")},
        "scope": " ".join(grant.scopes),
        "sid": str(grant.sid),
    }


def find_refresh_token(encoded: str) -> ClientRefreshToken | None:
    """Return a refresh token of a client, or None if it is none that is valid."""
    try:
        return verify_client_refresh(encoded, specs.token_endpoint())
    except (Expired, TokenMalformed):
        return None
