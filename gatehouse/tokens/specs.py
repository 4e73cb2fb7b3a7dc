"""What tokens are: their types, what they are issued with, and which of them a route accepts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import config
from gatehouse.web.request_context import FIRST_PARTY_CLIENT

ACCESS, REFRESH = "access", "refresh"
API_KEY_PREFIX = "ghk_"
"""API keys begin with it, and no token does."""
TYP = {ACCESS: "at+jwt", REFRESH: "rt+jwt"}


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """What a token is issued with, besides its subject and session."""

    type: str
    client_id: str
    audience: str
    scope: str
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """What a token says about its session; a refresh token has only the first three.

    Times are Unix seconds.
    """

    sid: str
    jti: str
    issued_at: int
    auth_time: int = 0
    amr: Sequence[str] = ()
    acr: str = ""
    roles: Sequence[str] = ()
    versions: Sequence[int] = ()
    """The version of the user's role assignments, then those of the roles in `roles`."""
    status_index: int | None = None
    actor_id: str | None = None
    """The administrator who acts as the subject."""
    custom: Mapping[str, object] = field(default_factory=dict)
    """Claims that the operator adds to access tokens; they replace none of ours."""


@dataclass(frozen=True, slots=True)
class GrantClaims:
    """What an access token of a client says about the user's grant; times are Unix seconds."""

    id: str
    sid: str
    """The session, as the client knows it."""
    auth_time: int
    amr: Sequence[str]
    acr: str
    status_index: int | None


@dataclass(frozen=True, slots=True)
class ClientClaims:
    """What an access token of a client says besides its `TokenSpec`; times are Unix seconds."""

    jti: str
    issued_at: int
    grant: GrantClaims | None = None
    """None if the client acts for itself."""
    roles: Sequence[str] | None = None
    """None if the client may not know them."""
    versions: Sequence[int] = ()
    """As in `SessionClaims`; empty unless the token has roles or permissions of the user."""
    custom: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AcceptedTokens:
    """Which tokens a route accepts: all of these must match, so that kinds of tokens never mix."""

    type: str
    audiences: tuple[str, ...] | None
    """None: of every audience."""
    client_ids: tuple[str, ...] | None
    """None: of every client but our own API."""

    def match(self, header: Mapping[str, object], claims: Mapping[str, object]) -> bool:
        """Return whether a token is of this kind (RFC 8725 section 3.11)."""
        client_id = claims.get("client_id", FIRST_PARTY_CLIENT)  # absent in our own refresh tokens
        is_type = (header["typ"], claims.get("type")) == (TYP[self.type], self.type)
        return is_type and self._is_audience(claims.get("aud")) and self._is_client(client_id)

    def _is_audience(self, audience: object) -> bool:
        any_audience = self.audiences is None and isinstance(audience, str)
        return any_audience or audience in (self.audiences or ())

    def _is_client(self, client_id: object) -> bool:
        if self.client_ids is None:
            return client_id != FIRST_PARTY_CLIENT
        return client_id in self.client_ids


def access_token(scope: str, lifetime: timedelta) -> TokenSpec:
    """Return what access tokens for our own API are issued with."""
    return TokenSpec(ACCESS, FIRST_PARTY_CLIENT, _audience(ACCESS), scope, lifetime)


def refresh_token(lifetime: timedelta) -> TokenSpec:
    """Return what our own refresh tokens are issued with."""
    return TokenSpec(REFRESH, FIRST_PARTY_CLIENT, _audience(REFRESH), "", lifetime)


def client_access_token(
    client_id: str, audience: str, scope: str, lifetime: timedelta
) -> TokenSpec:
    """Return what an access token of a client is issued with; it is never for our own API.

    Raises:
        ValueError: the client or the audience is our own.
    """
    if client_id == FIRST_PARTY_CLIENT or audience == _audience(ACCESS):
        raise ValueError("no client gets tokens for our own API")
    return TokenSpec(ACCESS, client_id, audience, scope, lifetime)


def client_refresh_token(client_id: str, lifetime: timedelta) -> TokenSpec:
    """Return what a refresh token of a client is issued with."""
    return TokenSpec(REFRESH, client_id, token_endpoint(), "", lifetime)


def of_clients(token_type: str, audiences: tuple[str, ...] | None) -> AcceptedTokens:
    """Return the tokens of all clients but our own API, for these audiences or for any."""
    return AcceptedTokens(token_type, audiences, None)


def token_endpoint() -> str:
    """Return the only URL that accepts refresh tokens of clients."""
    return f"{config.settings().public_url}/oauth2/token"


def first_party(token_type: str) -> AcceptedTokens:
    """Return what our own API accepts: no token of another client or for another audience."""
    return AcceptedTokens(token_type, (_audience(token_type),), (FIRST_PARTY_CLIENT,))


def _audience(token_type: str) -> str:
    """Return the `aud` of our own tokens; of refresh tokens the only URL that accepts them."""
    settings = config.settings()
    return settings.audience if token_type == ACCESS else f"{settings.public_url}/auth/refresh"
