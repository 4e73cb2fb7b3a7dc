"""The grant `client_credentials` (RFC 6749 section 4.4), of services and of service accounts."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from gatehouse.authorization import api_keys, catalog, roles
from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from gatehouse.oauth.errors import InvalidScope, UnauthorizedClient
from gatehouse.oauth.targets import choose_audience, list_resource_scopes, permissions_for
from gatehouse.oauth.token_request import TokenRequest, TokenResponse
from gatehouse.service_accounts.key_memory import KnownKey
from gatehouse.tokens import client_tokens, specs
from gatehouse.tokens.specs import ClientClaims
from models import ApiKey, OAuthClient, ServiceAccount, User

LIFETIME = timedelta(minutes=10)
"""Of the tokens of service accounts, which are not registered as clients."""


class ClientCredentialsGrant:
    """Give a client an access token for itself; there is no refresh token (section 4.4.3)."""

    def validate(self, request: TokenRequest) -> None:
        """Nothing needs to be sent besides the credentials."""

    def tokens(self, request: TokenRequest) -> TokenResponse:
        """Sign an access token with what the client is registered for, or its account may do.

        Raises:
            InvalidTarget: the client may not get tokens for the resource.
            InvalidScope: a requested scope is not allowed.
            UnauthorizedClient: the service account is disabled.
        """
        if isinstance(request.sender, KnownKey):
            return _issue_for_key(request, request.sender)
        client = request.client
        audience = choose_audience(request.parameters.resource, client.resources)
        allowed = list_resource_scopes(audience).intersection(client.scopes)
        subject = client.id
        if client.service_account_id:
            subject = str(client.service_account_id)
            allowed &= _permissions_of_account(client, audience)
        scope = _choose_scope(request, allowed)
        lifetime = timedelta(seconds=client.access_token_lifetime)
        spec = specs.client_access_token(client.id, audience, scope, lifetime)
        return _sign(spec, subject)


def _issue_for_key(request: TokenRequest, key: KnownKey) -> TokenResponse:
    """Sign a token for a service account: the permissions of its key that the resource has."""
    audience = choose_audience(request.parameters.resource, _audiences_of(key))
    scope = _choose_scope(request, _permissions_of_key(key, audience))
    lifetime = min(LIFETIME, key.expires_at - clock.now())
    spec = specs.client_access_token(
        key.sub, audience, scope, timedelta(seconds=int(lifetime.total_seconds()))
    )
    return _sign(spec, key.sub)


def _choose_scope(request: TokenRequest, allowed: frozenset[str]) -> str:
    """Return the requested scopes, or all that are allowed.

    Raises:
        InvalidScope: one is not allowed.
    """
    if not allowed.issuperset(request.scopes):
        raise InvalidScope
    return " ".join(request.scopes or sorted(allowed))


def _sign(spec: specs.TokenSpec, subject: str) -> TokenResponse:
    content = ClientClaims(jti=str(crypto.new_id()), issued_at=clock.unix_time())
    encoded = client_tokens.issue_access(spec, subject, content)
    return TokenResponse(encoded, int(spec.lifetime.total_seconds()), spec.scope)


def _permissions_of_account(client: OAuthClient, audience: str) -> frozenset[str]:
    """Return what the roles of a client's service account grant for a resource.

    Raises:
        UnauthorizedClient: the account or its owner is disabled.
    """
    account = client.service_account_id
    columns = roles.assignment_columns(account, roles.SERVICE_ACCOUNT_SUBJECT)
    found = (
        select(api_keys.IS_ENABLED.label("is_enabled"), *columns)
        .select_from(ServiceAccount)
        .join(User, User.id == ServiceAccount.owner_id, isouter=True)
        .where(ServiceAccount.id == account)
    )
    row = db.session.execute(found).one_or_none()
    if row is None or not row.is_enabled:
        raise UnauthorizedClient("The service account of this client is disabled.")
    return _granted_for(row, audience)


def _granted_for(row: Any, audience: str) -> frozenset[str]:
    known = catalog.get_catalog(row.catalog_version)
    granted = known.permissions_of((row.given_roles or "").split())
    return granted & permissions_for(audience, known)


def _key_row(key: KnownKey) -> Any:
    return db.session.execute(api_keys.SELECT_KEYS.where(ApiKey.id == key.id)).one()


def _permissions_of_key(key: KnownKey, audience: str) -> frozenset[str]:
    row = _key_row(key)
    own = list_resource_scopes(audience)
    return _granted_for(row, audience).intersection(row.permissions, own)


def _audiences_of(key: KnownKey) -> list[str]:
    """Return the audiences of the permissions that a key has, besides our own."""
    row = _key_row(key)
    known = catalog.get_catalog(row.catalog_version).permissions
    audiences = {known[name].audience for name in row.permissions if name in known}
    return sorted(audience for audience in audiences if audience)


plugin = ClientCredentialsGrant()
