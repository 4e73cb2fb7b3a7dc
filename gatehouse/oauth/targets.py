"""For which resource an access token is, and which scopes it has there (RFC 8707 section 2.2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import config
from gatehouse.authorization.catalog import Catalog
from gatehouse.oauth.errors import InvalidScope, InvalidTarget
from gatehouse.oauth.resources import OPENID_SCOPES, find_resource


@dataclass(frozen=True)
class GrantedScopes:
    """The scopes of an access token; some of them may be permissions of the user."""

    names: tuple[str, ...]
    has_permissions: bool = False


def userinfo_endpoint() -> str:
    """Return the audience of access tokens for no other resource."""
    return f"{config.settings().public_url}/oauth2/userinfo"


def choose_audience(requested: str, allowed: Sequence[str]) -> str:
    """Return the one audience of a token: what is requested, else the only one that is allowed.

    Raises:
        InvalidTarget: the client was not allowed the resource.
    """
    if not requested:
        return allowed[0] if len(allowed) == 1 else userinfo_endpoint()
    if requested not in (*allowed, userinfo_endpoint()):
        raise InvalidTarget
    return requested


def narrow_scopes(requested: Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes of this one token; none is added (RFC 6749 section 6).

    Raises:
        InvalidScope: one was not granted.
    """
    if not set(requested) <= set(granted):
        raise InvalidScope
    return tuple(scope for scope in granted if not requested or scope in requested)


def list_resource_scopes(audience: str) -> frozenset[str]:
    """Return the scopes of a resource.

    Raises:
        InvalidTarget: it was deleted.
    """
    if audience == userinfo_endpoint():
        return frozenset()
    resource = find_resource(audience)
    if resource is None:
        raise InvalidTarget
    return frozenset(resource.scopes)


def scopes_of_user(
    audience: str, scopes: Sequence[str], known: Catalog, roles: Iterable[str]
) -> GrantedScopes:
    """Return the scopes of OpenID Connect, and those that the resource has.

    A scope with the name of a permission for this resource needs a role that grants it.
    """
    own = list_resource_scopes(audience)
    permissions = permissions_for(audience, known)
    lacking = permissions - known.permissions_of(roles)
    allowed = (own - lacking).union(OPENID_SCOPES)
    names = tuple(scope for scope in scopes if scope in allowed)
    return GrantedScopes(names, has_permissions=not permissions.isdisjoint(names))


def permissions_for(audience: str, known: Catalog) -> frozenset[str]:
    """Return the permissions that are declared for a resource."""
    found = known.permissions.values()
    return frozenset(permission.name for permission in found if permission.audience == audience)
