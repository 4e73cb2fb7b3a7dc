"""The metadata of the server (RFC 8414 section 2, OpenID Connect Discovery section 3)."""

import config
from gatehouse.oauth import claims
from gatehouse.oauth.authorization_validation import NONE, PROMPTS
from gatehouse.oauth.client_metadata import (
    GRANT_TYPES,
    METHODS,
    NO_METHOD,
    RESPONSE_MODES,
    SUBJECT_TYPES,
)
from gatehouse.oauth.resources import OPENID_SCOPES
from gatehouse.sessions import assurance
from gatehouse.settings.languages import LANGUAGES
from gatehouse.tokens import sync
from gatehouse.tokens.key_set import ACTIVE

MAX_AGE = 300
"""Seconds for which clients may cache the metadata, as they do the keys."""
ASSERTION_ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")


def describe_server() -> dict[str, object]:
    """Return the metadata: what is in it works, and what works is in it."""
    settings = config.settings()
    issuer = settings.public_url
    methods = list(METHODS)
    confidential = [method for method in methods if method != NO_METHOD]
    return {
        "issuer": issuer,
        **_list_endpoints(issuer),
        "scopes_supported": list(OPENID_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(GRANT_TYPES),
        "subject_types_supported": list(SUBJECT_TYPES),
        "id_token_signing_alg_values_supported": _list_algorithms(),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": claims.list_supported(),
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "acr_values_supported": [assurance.AAL1, assurance.AAL2],
        "prompt_values_supported": list(PROMPTS) if settings.pages else [NONE],
        "ui_locales_supported": list(LANGUAGES),
        **_list_policies(settings),
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }


def _list_policies(settings: config.Settings) -> dict[str, str]:
    """Return the addresses of the operator's terms and privacy policy, as far as they are set."""
    given = {"op_tos_uri": settings.terms_url, "op_policy_uri": settings.privacy_url}
    return {name: url for name, url in given.items() if url}


def _list_endpoints(issuer: str) -> dict[str, str]:
    return {
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "token_endpoint": f"{issuer}/oauth2/token",
        "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "end_session_endpoint": f"{issuer}/oauth2/logout",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
    }


def _list_algorithms() -> list[str]:
    """Return the algorithms whose keys sign now, sorted."""
    keys = sync.current_state().require_keys().keys.values()
    return sorted({key.algorithm for key in keys if key.stage == ACTIVE})
