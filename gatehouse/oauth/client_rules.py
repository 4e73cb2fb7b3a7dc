"""The rules for the registration of a client: each is checked by itself, then those of its kind."""

import re
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import urlsplit

from sqlalchemy import select

from gatehouse.core.errors import reject_field
from gatehouse.database.session import db
from gatehouse.net import http_client
from gatehouse.net.http_client import OutboundRequestBlocked
from gatehouse.oauth import client_keys, redirect_uris
from gatehouse.oauth.client_metadata import (
    CLIENT_CREDENTIALS,
    CODE,
    CONSENT_RULES,
    GRANT_TYPES,
    ID_TOKEN_ALGORITHMS,
    MAX_ACCESS_TOKEN_LIFETIME,
    MAX_GRANT_LIFETIME,
    MAX_URIS,
    METHODS,
    MIN_LIFETIME,
    NATIVE,
    NO_METHOD,
    PAIRWISE,
    PRIVATE_KEY_JWT,
    REFRESH,
    RESPONSE_MODES,
    SERVICE,
    SPA,
    SUBJECT_TYPES,
    max_refresh_token_lifetime,
)
from gatehouse.oauth.resources import OPENID_SCOPES
from models import OAuthClient, OAuthResource

SECTOR = r"[a-z0-9-]+(\.[a-z0-9-]+)*"
CHOICES = {
    "authentication_method": METHODS,
    "grant_types": GRANT_TYPES,
    "response_modes": RESPONSE_MODES,
    "consent": CONSENT_RULES,
    "subject_type": SUBJECT_TYPES,
    "id_token_algorithm": ID_TOKEN_ALGORITHMS,
}
PEOPLES_URIS = ("uri", "logo_uri", "terms_uri", "privacy_uri")
Rule = Callable[[OAuthClient], object]


def require_valid_client(client: OAuthClient) -> None:
    """Require that a client can be registered as it is now.

    Raises:
        ValidationFailed: it names the first field that is wrong, and why.
    """
    for rule in RULES:
        rule(client)


def _require_choices(client: OAuthClient) -> None:
    for name, choices in CHOICES.items():
        value = getattr(client, name)
        for one in value if isinstance(value, list) else (value,):
            if one not in choices:
                reject_field(name, "invalid", f"Write one of: {', '.join(choices)}.")


def _require_authentication(client: OAuthClient) -> None:
    is_public = client.kind in (SPA, NATIVE)
    if is_public and client.authentication_method != NO_METHOD:
        message = "An application on the user's device cannot keep a secret: write none."
        reject_field("authentication_method", "not_of_this_kind", message)
    if not is_public and client.authentication_method == NO_METHOD:
        message = "This kind of client must authenticate; register a spa or native client instead."
        reject_field("authentication_method", "not_of_this_kind", message)
    if client.authentication_method == PRIVATE_KEY_JWT and not client.jwks:
        reject_field("jwks", "required", "Send the public keys that the client signs with.")
    if client.jwks:
        client.jwks = dict(client_keys.parse_keys(client.jwks))


def _require_grants(client: OAuthClient) -> None:
    grants = set(client.grant_types)
    if not grants:
        reject_field("grant_types", "required", "Name at least one grant.")
    if client.kind == SERVICE and grants != {CLIENT_CREDENTIALS}:
        _reject_of_service("grant_types", "A service has no users: write client_credentials only.")
    if CLIENT_CREDENTIALS in grants and client.authentication_method == NO_METHOD:
        message = "The grant client_credentials needs a client that authenticates."
        reject_field("grant_types", "not_of_this_kind", message)
    if REFRESH in grants and CODE not in grants:
        message = "The grant refresh_token needs authorization_code."
        reject_field("grant_types", "invalid", message)
    if CODE in grants and not client.response_modes:
        reject_field("response_modes", "required", "Name at least one response mode.")
    if not client.require_pkce and client.authentication_method == NO_METHOD:
        message = "Only clients that authenticate can do without PKCE."
        reject_field("require_pkce", "not_of_this_kind", message)


def _require_uris(client: OAuthClient) -> None:
    if CODE in client.grant_types and not client.redirect_uris:
        message = "Name at least one address that users are sent back to."
        reject_field("redirect_uris", "required", message)
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        uris = getattr(client, name)
        if client.kind == SERVICE and uris:
            _reject_of_service(name, "A service has no users who could be sent back.")
        if len(uris) > MAX_URIS:
            reject_field(name, "too_long", f"Name at most {MAX_URIS} addresses.")
        for uri in uris:
            redirect_uris.require_valid_uri(name, uri, client.kind)
    for name in PEOPLES_URIS:
        if getattr(client, name) is not None:
            redirect_uris.require_https(name, getattr(client, name))


def _require_logout_uri(client: OAuthClient) -> None:
    """Require a URL that logout tokens can be sent to; IP addresses are checked at each request."""
    uri = client.backchannel_logout_uri
    if uri is None:
        return
    if client.kind == SERVICE:
        _reject_of_service("backchannel_logout_uri", "A service has no users who log out.")
    redirect_uris.require_well_formed("backchannel_logout_uri", uri)
    try:
        http_client.require_allowed_url(uri)
    except OutboundRequestBlocked as error:
        reject_field("backchannel_logout_uri", "url_not_allowed", str(error))


def _require_scopes(client: OAuthClient) -> None:
    """Require that each scope is one of OpenID Connect, or of a resource of the client."""
    registered = OAuthResource.audience.in_(client.resources)
    found = db.session.execute(
        select(OAuthResource.audience, OAuthResource.scopes).where(registered)
    ).all()
    for audience in set(client.resources) - {row.audience for row in found}:
        message = f"There is no resource {audience}; register it first."
        reject_field("resources", "unknown", message)
    known = set() if client.kind == SERVICE else set(OPENID_SCOPES)
    known |= {name for row in found for name in row.scopes}
    for scope in client.scopes:
        if scope not in known:
            message = f"No resource of this client has the scope {scope}."
            reject_field("scopes", "unknown", message)


def _require_sector(client: OAuthClient) -> None:
    """Require one host of all addresses, or a sector (OpenID Connect Core section 8.1).

    Loopback addresses and schemes of applications are no hosts: anyone could have the same.
    """
    if client.subject_type != PAIRWISE:
        return
    parts = [urlsplit(uri) for uri in client.redirect_uris]
    hosts = {one.hostname if one.scheme == "https" else None for one in parts}
    if client.sector is None and len(hosts) == 1:
        client.sector = hosts.pop()
    if client.sector is None:
        message = "Name the sector that the subjects are for: its addresses are not of one host."
        reject_field("sector", "required", message)
    if len(client.sector) > 255 or not re.fullmatch(SECTOR, client.sector, re.ASCII):
        reject_field("sector", "invalid", "Write a host, such as example.com.")


def _require_lifetimes(client: OAuthClient) -> None:
    limits = {
        "access_token_lifetime": MAX_ACCESS_TOKEN_LIFETIME,
        "refresh_token_lifetime": max_refresh_token_lifetime(),
        "grant_lifetime": MAX_GRANT_LIFETIME,
    }
    for name, limit in limits.items():
        if not MIN_LIFETIME <= getattr(client, name) <= max(limit, MIN_LIFETIME):
            message = f"Choose {MIN_LIFETIME} to {max(limit, MIN_LIFETIME)} seconds."
            reject_field(name, "out_of_range", message)


def _require_service_account(client: OAuthClient) -> None:
    if client.service_account_id and client.kind != SERVICE:
        message = "Only clients of the kind service act as a service account."
        reject_field("service_account_id", "not_of_this_kind", message)


def _reject_of_service(field: str, message: str) -> NoReturn:
    reject_field(field, "not_of_this_kind", message)


RULES: tuple[Rule, ...] = (
    _require_choices,
    _require_authentication,
    _require_grants,
    _require_uris,
    _require_logout_uri,
    _require_scopes,
    _require_sector,
    _require_lifetimes,
    _require_service_account,
)
"""In this order; the later ones rely on those before."""
