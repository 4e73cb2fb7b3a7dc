"""What a client can be registered with: its kinds, their defaults, and what belongs together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import UUID

import config

WEB, SPA, NATIVE, SERVICE = "web", "spa", "native", "service"
KINDS = (WEB, SPA, NATIVE, SERVICE)
"""Web applications and services can keep a secret; the other two cannot, so they have none."""
SECRET_BASIC, SECRET_POST = "client_secret_basic", "client_secret_post"
PRIVATE_KEY_JWT, NO_METHOD = "private_key_jwt", "none"
SECRET_METHODS = (SECRET_BASIC, SECRET_POST)
METHODS = (*SECRET_METHODS, PRIVATE_KEY_JWT, NO_METHOD)
CODE, REFRESH, CLIENT_CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
GRANT_TYPES = (CODE, REFRESH, CLIENT_CREDENTIALS)
RESPONSE_MODES = ("query", "fragment", "form_post")
FIRST_PARTY, ONCE, ALWAYS = "first_party", "once", "always"
CONSENT_RULES = (FIRST_PARTY, ONCE, ALWAYS)
PUBLIC, PAIRWISE = "public", "pairwise"
SUBJECT_TYPES = (PUBLIC, PAIRWISE)
ID_TOKEN_ALGORITHMS = ("RS256", "ES256", "EdDSA")
DEFAULT_SCOPES = ("openid", "profile", "email")
MIN_LIFETIME, MAX_ACCESS_TOKEN_LIFETIME, MAX_GRANT_LIFETIME = 60, 900, 365 * 86_400
"""Seconds. Revocations are kept for as long as access tokens can be valid."""
MAX_URIS = 50
DEFAULT_GRANT_LIFETIME = 30 * 86_400
OPTIONAL = (
    *("jwks", "backchannel_logout_uri", "sector", "service_account_id"),
    *("uri", "logo_uri", "terms_uri", "privacy_uri"),
)
"""What a client need not have, so that a change can clear it."""


@dataclass(frozen=True, kw_only=True)
class ClientChange:
    """What to set of a client; None keeps it."""

    name: str | None = None
    authentication_method: str | None = None
    jwks: Mapping[str, object] | None = None
    redirect_uris: Sequence[str] | None = None
    post_logout_redirect_uris: Sequence[str] | None = None
    backchannel_logout_uri: str | None = None
    grant_types: Sequence[str] | None = None
    response_modes: Sequence[str] | None = None
    scopes: Sequence[str] | None = None
    resources: Sequence[str] | None = None
    consent: str | None = None
    require_pkce: bool | None = None
    subject_type: str | None = None
    sector: str | None = None
    id_token_algorithm: str | None = field(default=None, repr=False)
    access_token_lifetime: int | None = field(default=None, repr=False)
    refresh_token_lifetime: int | None = field(default=None, repr=False)
    grant_lifetime: int | None = None
    uri: str | None = None
    logo_uri: str | None = None
    terms_uri: str | None = None
    privacy_uri: str | None = None
    service_account_id: UUID | None = None
    enabled: bool | None = None
    cleared: frozenset[str] = field(default_factory=frozenset)
    """Names of `OPTIONAL` members that the client has no longer."""

    @property
    def values(self) -> dict[str, Any]:
        """What is set, by name; sequences as lists, without repetitions."""
        given = {name: getattr(self, name) for name in FIELDS}
        values = {name: _to_stored(value) for name, value in given.items() if value is not None}
        return dict.fromkeys(sorted(self.cleared)) | values


FIELDS = tuple(one.name for one in fields(ClientChange) if one.name != "cleared")
"""What can be set of a client."""


def default_values(kind: str) -> dict[str, Any]:
    """Return what a new client of a kind has unless it is said."""
    is_service, is_confidential = kind == SERVICE, kind in (WEB, SERVICE)
    settings = config.settings()
    return dict.fromkeys(OPTIONAL) | {
        "authentication_method": SECRET_BASIC if is_confidential else NO_METHOD,
        "redirect_uris": [],
        "post_logout_redirect_uris": [],
        "grant_types": [CLIENT_CREDENTIALS] if is_service else [CODE, REFRESH],
        "response_modes": [] if is_service else list(RESPONSE_MODES),
        "scopes": [] if is_service else list(DEFAULT_SCOPES),
        "resources": [],
        "consent": ONCE,
        "require_pkce": True,
        "subject_type": PUBLIC,
        "id_token_algorithm": "RS256",  # every client can verify it (OpenID Connect Core 15.1)
        "access_token_lifetime": max(int(settings.access_token_lifetime.total_seconds()), 60),
        "refresh_token_lifetime": max_refresh_token_lifetime(),
        "grant_lifetime": DEFAULT_GRANT_LIFETIME,
        "enabled": True,
    }


def max_refresh_token_lifetime() -> int:
    """Return the seconds for which a refresh token may stay unused: as long as a session may."""
    return int(config.settings().session_idle_timeout.total_seconds())


def _to_stored(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return list(dict.fromkeys(value)) if is_list else value
