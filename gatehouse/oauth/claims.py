"""The claims about a user: which scopes and requests they belong to, and their values.

OpenID Connect Core sections 5.1, 5.4 and 5.5.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gatehouse.oauth.client_metadata import FIRST_PARTY
from gatehouse.oauth.grant_state import GrantUser
from models import OAuthClient

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": ("name", "preferred_username", "locale", "updated_at"),
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
    "roles": ("roles",),
}
"""The claims of each scope; `profile` has those that the operator's attributes become, too."""
ID_TOKEN, USERINFO = "id_token", "userinfo"
"""Where claims can be requested for (Core section 5.5)."""


def list_supported() -> list[str]:
    """Return the names of all claims, for the metadata."""
    of_tokens = ("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash")
    return [*of_tokens, "sid", *(name for names in SCOPE_CLAIMS.values() for name in names)]


def describe_user(user: GrantUser, scopes: Sequence[str]) -> dict[str, object]:
    """Return the claims of these scopes; what the user does not have is left out."""
    profile, _, own_claims = user.content
    values = _values(profile, user.row)
    names = {name for scope in scopes for name in SCOPE_CLAIMS.get(scope, ())}
    own = own_claims if "profile" in scopes else {}
    return {**own, **{name: values[name] for name in values if name in names}}


def select_requested(
    user: GrantUser, grant: Any, client: OAuthClient, place: str
) -> dict[str, object]:
    """Return the claims that the authorization request asked for by name.

    They need the consent for a scope that they belong to, or a client that needs no consent and is
    registered for it: a request for single claims gets no more than one for scopes.
    """
    requested = (grant.request.get("claims") or {}).get(place) or {}
    allowed = client.scopes if client.consent == FIRST_PARTY else grant.scopes
    scopes = [scope for scope in client.scopes if scope in allowed]
    found = describe_user(user, scopes)
    return {name: found[name] for name in requested if name in found}


def _values(profile: Mapping[str, Any], row: Any) -> dict[str, object]:
    values = {
        "name": profile["name"],
        "preferred_username": profile["username"],
        "locale": profile["locale"],
        "updated_at": int(row.updated_at.timestamp()),
        "email": profile["email"],
        "email_verified": profile["email_verified"],
        "phone_number": profile["phone"],
        "phone_number_verified": profile["phone_verified"] if profile["phone"] else None,
        "roles": profile["roles"],
    }
    return {name: value for name, value in values.items() if value is not None}
