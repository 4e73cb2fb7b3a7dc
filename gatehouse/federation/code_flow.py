"""The authorization code flow with a provider: the request, and the exchange of the code."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from gatehouse.federation.errors import ProviderRejected
from gatehouse.federation.outbound import FORM, Json, fetch_json
from gatehouse.federation.plugin import Begun, CallbackForm, callback_url
from gatehouse.federation.provider import BASIC, Provider
from gatehouse.net.http_client import HttpRequest

OPENID = "openid"
"""The scope of OpenID Connect."""
JSON_HEADERS = {"Accept": "application/json"}


def challenge_of(code_verifier: str) -> str:
    """Return the code challenge of a verifier, by S256 (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(code_verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def build_url(endpoint: str, provider: Provider, begun: Begun) -> str:
    """Return the URL of an authorization request with PKCE."""
    is_openid = OPENID in provider.scopes
    more = {"nonce": begun.nonce} if is_openid else {}
    more |= {"response_mode": provider.response_mode} if provider.response_mode else {}
    parameters = {
        **provider.parameters,
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": callback_url(provider),
        "scope": " ".join(provider.scopes),
        "state": begun.state,
        "code_challenge": challenge_of(begun.code_verifier),
        "code_challenge_method": "S256",
        **more,
    }
    separator = "&" if urlsplit(endpoint).query else "?"
    return f"{endpoint}{separator}{urlencode(parameters)}"


@dataclass(frozen=True)
class TokenEndpoint:
    """Where codes are exchanged, and our secret there."""

    url: str
    secret: str = field(repr=False)


def exchange_code(
    endpoint: TokenEndpoint, provider: Provider, begun: Begun, form: CallbackForm
) -> Json:
    """Exchange the code for tokens (RFC 6749 section 4.1.3).

    Raises:
        ProviderRejected: there is no code, or it was not accepted.
        ProviderUnavailable: the provider does not answer.
    """
    if not form.code:
        raise ProviderRejected(provider=provider.name, reason="response without a code")
    parameters = {
        "grant_type": "authorization_code",
        "code": form.code,
        "redirect_uri": callback_url(provider),
        "code_verifier": begun.code_verifier,
    }
    secret = endpoint.secret
    headers = {**JSON_HEADERS, "Content-Type": FORM}
    if secret and provider.token_auth == BASIC:  # section 2.3.1: both are encoded first
        pair = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        parameters |= {"client_id": provider.client_id}
        parameters |= {"client_secret": secret} if secret else {}
    body = urlencode(parameters).encode()
    tokens = fetch_json(provider.name, HttpRequest("POST", endpoint.url, headers, body))
    if "error" in tokens:  # GitHub answers so with status 200
        raise ProviderRejected(provider=provider.name, reason="the code was not accepted")
    return tokens


def fetch_userinfo(provider: Provider, endpoint: str, access_token: str) -> Json:
    """Return what the provider says about the user of an access token.

    Raises:
        ProviderRejected, ProviderUnavailable: there is no usable answer.
    """
    return fetch_json(provider.name, build_request(endpoint, access_token))


def build_request(endpoint: str, access_token: str) -> HttpRequest:
    """Return a request with an access token (RFC 6750 section 2.1)."""
    return HttpRequest("GET", endpoint, {**JSON_HEADERS, "Authorization": f"Bearer {access_token}"})


def read_token(provider: Provider, tokens: Mapping[str, object], name: str) -> str:
    """Return a token of a response that can be a header's value.

    Raises:
        ProviderRejected: it is missing, or something else.
    """
    token = tokens.get(name)
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise ProviderRejected(provider=provider.name, reason=f"response without {name}")
    return token
