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
class AcceptedTokens:
    """Which tokens a route accepts: all of these must match, so that kinds of tokens never mix."""

    type: str
    audiences: tuple[str, ...]
    client_ids: tuple[str, ...]

    def match(self, header: Mapping[str, object], claims: Mapping[str, object]) -> bool:
        """Return whether a token is of this kind (RFC 8725 section 3.11)."""
        client_id = claims.get("client_id", FIRST_PARTY_CLIENT)  # absent in our own refresh tokens
        is_type = (header["typ"], claims.get("type")) == (TYP[self.type], self.type)
        return is_type and claims.get("aud") in self.audiences and client_id in self.client_ids


def access_token(scope: str, lifetime: timedelta) -> TokenSpec:
    """Return what access tokens for our own API are issued with."""
    return TokenSpec(ACCESS, FIRST_PARTY_CLIENT, _audience(ACCESS), scope, lifetime)


def refresh_token(lifetime: timedelta) -> TokenSpec:
    """Return what our own refresh tokens are issued with."""
    return TokenSpec(REFRESH, FIRST_PARTY_CLIENT, _audience(REFRESH), "", lifetime)


def first_party(token_type: str) -> AcceptedTokens:
    """Return what our own API accepts: no token of another client or for another audience."""
    return AcceptedTokens(token_type, (_audience(token_type),), (FIRST_PARTY_CLIENT,))


def _audience(token_type: str) -> str:
    """Return the `aud` of our own tokens; of refresh tokens the only URL that accepts them."""
    settings = config.settings()
    return settings.audience if token_type == ACCESS else f"{settings.public_url}/auth/refresh"
