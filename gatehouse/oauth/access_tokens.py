"""Access tokens of clients that act for a user (RFC 9068)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gatehouse.authorization import catalog
from gatehouse.authorization.roles import EffectiveRoles
from gatehouse.core import crypto
from gatehouse.database.session import db
from gatehouse.hooks import kinds, memory, token_claims
from gatehouse.oauth.grant_state import GrantUser
from gatehouse.oauth.targets import GrantedScopes, scopes_of_user
from gatehouse.sessions import assurance
from gatehouse.tokens import client_tokens, specs
from gatehouse.tokens.revocation import FIRST_GRANT_INDEX
from gatehouse.tokens.specs import ClientClaims, GrantClaims
from gatehouse.tokens.worker_state import LEEWAY
from gatehouse.web.request_context import RequestContext
from models import OAuthClient, OAuthGrant


@dataclass(frozen=True)
class AccessRequest:
    """What an access token is issued for."""

    client: OAuthClient
    grant: Any
    """A row of the grant."""
    user: GrantUser
    audience: str
    scopes: tuple[str, ...]
    """Those that were granted, narrowed for this token."""
    now: datetime


@dataclass(frozen=True)
class IssuedAccess:
    """An access token, and what its response says about it."""

    encoded: str
    scopes: tuple[str, ...]
    expires_in: int


def load_custom_claims(grant_id: UUID, context: RequestContext) -> None:
    """Ask the hooks for claims of a token of this grant; no transaction is open meanwhile.

    Raises:
        ServiceUnavailable: see `token_claims.load_claims`.
    """
    if memory.list_hooks(kinds.TOKEN_CLAIMS):
        grant = db.session.get(OAuthGrant, grant_id)
        if grant:
            token_claims.load_claims(grant.user_id, context)


def issue_access_token(request: AccessRequest) -> IssuedAccess:
    """Sign an access token with the scopes that the user's roles allow.

    Raises:
        InvalidTarget: the resource was deleted.
    """
    _, roles, own_claims = request.user.content
    known = catalog.get_catalog(request.user.row.catalog_version)
    granted = scopes_of_user(request.audience, request.scopes, known, roles.names)
    lifetime = _lifetime(request, roles, granted)
    spec = specs.client_access_token(
        request.client.id, request.audience, " ".join(granted.names), lifetime
    )
    shows_roles = "roles" in granted.names
    content = ClientClaims(
        jti=str(crypto.new_id()),
        issued_at=int(request.now.timestamp()),
        grant=_describe_grant(request),
        roles=roles.names if shows_roles else None,
        versions=_versions(roles, granted),
        custom={**token_claims.take_claims(request.grant.user_id), **own_claims},
    )
    encoded = client_tokens.issue_access(spec, request.grant.subject, content)
    return IssuedAccess(encoded, granted.names, int(lifetime.total_seconds()))


def _versions(roles: EffectiveRoles, granted: GrantedScopes) -> tuple[int, ...]:
    """Return the versions by which the token is outdated when its roles change."""
    if "roles" in granted.names:
        return roles.versions
    return roles.versions[:1] if granted.has_permissions else ()


def _lifetime(request: AccessRequest, roles: EffectiveRoles, granted: GrantedScopes) -> timedelta:
    """Return whole seconds: no token outlives its grant, or a role that ends at a certain time."""
    latest = request.now + timedelta(seconds=request.client.access_token_lifetime)
    latest = min(latest, request.grant.expires_at)
    if roles.expire_at and _versions(roles, granted):
        latest = min(latest, roles.expire_at - timedelta(seconds=LEEWAY))
    seconds = int(latest.timestamp()) - int(request.now.timestamp())
    return timedelta(seconds=max(1, seconds))


def _describe_grant(request: AccessRequest) -> GrantClaims:
    """Return the claims of the grant; a second factor counts for a day (see `assurance`)."""
    grant = request.grant
    is_old = request.now >= grant.authenticated_at + assurance.AAL2_LIFETIME
    is_downgraded = grant.acr == assurance.AAL2 and is_old
    return GrantClaims(
        id=str(grant.id),
        sid=str(grant.sid),
        auth_time=int(grant.authenticated_at.timestamp()),
        amr=assurance.without_second_factor(grant.amr) if is_downgraded else grant.amr,
        acr=assurance.AAL1 if is_downgraded else grant.acr,
        status_index=_status_index(request.user),
    )


def _status_index(user: GrantUser) -> int | None:
    index = user.row.status_index
    return None if index is None else FIRST_GRANT_INDEX + index
