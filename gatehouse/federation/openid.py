"""OpenID Connect: the plugin of all providers with discovery (OpenID Connect Core 1.0)."""

from collections.abc import Mapping

from gatehouse.federation import code_flow, metadata
from gatehouse.federation.code_flow import TokenEndpoint
from gatehouse.federation.errors import ProviderRejected
from gatehouse.federation.id_tokens import Claims, Expected, verify_id_token
from gatehouse.federation.identity import AuthenticatedIdentity, build_identity
from gatehouse.federation.plugin import Begun, CallbackForm
from gatehouse.federation.provider import Provider

DEFAULTS = {
    "scopes": ["openid", "email", "profile"],
    "profile": {"name": "name", "locale": "locale"},
}


class OpenIdPlugin:
    """A provider whose endpoints and keys are found by its issuer."""

    def __init__(self, defaults: Mapping[str, object] | None = None) -> None:
        self.defaults = {**DEFAULTS, **(defaults or {})}

    def complete_declaration(self, table: dict[str, object]) -> dict[str, object]:
        """Return the declaration as it is."""
        return table

    def client_secret(self, provider: Provider) -> str:
        """Return the secret with which we authenticate."""
        return provider.client_secret

    def find_authorization_endpoint(self, provider: Provider) -> str:
        """Return the URL that the browser is sent to.

        Raises:
            ProviderUnavailable, ProviderRejected: the metadata of the provider cannot be read.
        """
        return str(metadata.get_metadata(provider)["authorization_endpoint"])

    def authenticate(
        self, provider: Provider, begun: Begun, form: CallbackForm
    ) -> AuthenticatedIdentity:
        """Check the issuer, exchange the code, and verify the ID token.

        Raises:
            ProviderRejected: something in it is not valid.
            ProviderUnavailable: the provider does not answer.
        """
        known = metadata.get_metadata(provider)
        _require_issuer(provider, known, form)
        endpoint = TokenEndpoint(str(known["token_endpoint"]), self.client_secret(provider))
        tokens = code_flow.exchange_code(endpoint, provider, begun, form)
        access_token = code_flow.read_token(provider, tokens, "access_token")
        encoded = code_flow.read_token(provider, tokens, "id_token")
        expected = Expected((provider.client_id,), begun.nonce, access_token)
        claims = verify_id_token(provider, encoded, expected)
        claims = self.add_claims(provider, claims, form)
        return build_identity(provider, _with_userinfo(provider, known, claims, access_token))

    def add_claims(self, provider: Provider, claims: Claims, form: CallbackForm) -> Claims:
        """Return the verified claims, and others that the provider sends in a way of its own."""
        return claims

    def verify_native(self, provider: Provider, id_token: str) -> tuple[AuthenticatedIdentity, str]:
        """Verify an ID token that an app got from the provider itself; return its nonce, too.

        Raises:
            ProviderRejected: it is not valid.
            ProviderUnavailable: the keys of the provider cannot be read.
        """
        expected = Expected(provider.native_client_ids, None)
        claims = verify_id_token(provider, id_token, expected)
        return build_identity(provider, claims), str(claims["nonce"])


def _require_issuer(provider: Provider, known: Mapping[str, object], form: CallbackForm) -> None:
    """Require the `iss` of the response, against mix-up (RFC 9207 section 2.4)."""
    is_announced = known.get("authorization_response_iss_parameter_supported") is True
    if (is_announced or form.iss) and form.iss != provider.issuer:
        raise ProviderRejected(provider=provider.name, reason="response of another issuer")


def _with_userinfo(
    provider: Provider, known: Mapping[str, object], claims: Claims, access_token: str
) -> Claims:
    """Return the claims with those of the userinfo endpoint, if the ID token has no address."""
    endpoint = known.get("userinfo_endpoint")
    if "email" in claims or not isinstance(endpoint, str):
        return claims
    found = code_flow.fetch_userinfo(provider, endpoint, access_token)
    if found.get("sub") != claims["sub"]:  # section 5.3.2: they MUST be the same
        raise ProviderRejected(provider=provider.name, reason="userinfo of another subject")
    return {**found, **claims}
