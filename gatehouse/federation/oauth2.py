"""OAuth 2.0 without OpenID Connect: providers that say who the user is at an endpoint of theirs."""

from collections.abc import Mapping

from gatehouse.federation import code_flow
from gatehouse.federation.code_flow import TokenEndpoint
from gatehouse.federation.errors import ProviderRejected
from gatehouse.federation.id_tokens import Claims, require_subject
from gatehouse.federation.identity import AuthenticatedIdentity, build_identity
from gatehouse.federation.outbound import fetch_list
from gatehouse.federation.plugin import Begun, CallbackForm
from gatehouse.federation.provider import Provider

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")


class OAuthPlugin:
    """A provider whose endpoints the declaration has; its issuer is a URL that never changes."""

    def __init__(self, defaults: Mapping[str, object] | None = None) -> None:
        self.defaults = defaults or {}

    def complete_declaration(self, table: dict[str, object]) -> dict[str, object]:
        """Return the declaration, which must have the endpoints.

        Raises:
            ValueError: one is missing.
        """
        for name in ENDPOINTS:
            if name not in table:
                raise ValueError(f"{name} is missing")
        return table

    def find_authorization_endpoint(self, provider: Provider) -> str:
        """Return the URL that the browser is sent to."""
        return provider.authorization_endpoint

    def authenticate(
        self, provider: Provider, begun: Begun, form: CallbackForm
    ) -> AuthenticatedIdentity:
        """Exchange the code, and ask who the user is.

        Raises:
            ProviderRejected: something in the answers is not valid.
            ProviderUnavailable: the provider does not answer.
        """
        if form.iss and form.iss != provider.issuer:  # RFC 9207 section 2.4
            raise ProviderRejected(provider=provider.name, reason="response of another issuer")
        endpoint = TokenEndpoint(provider.token_endpoint, provider.client_secret)
        tokens = code_flow.exchange_code(endpoint, provider, begun, form)
        access_token = code_flow.read_token(provider, tokens, "access_token")
        claims = code_flow.fetch_userinfo(provider, provider.userinfo_endpoint, access_token)
        claims = self.add_claims(provider, claims, access_token)
        subject = _read_subject(provider, claims)
        return build_identity(provider, {**claims, provider.subject_claim: subject})

    def add_claims(self, provider: Provider, claims: Claims, access_token: str) -> Claims:
        """Return the claims with the verified address, where the provider lists the addresses."""
        if not provider.emails_endpoint:
            return claims
        request = code_flow.build_request(provider.emails_endpoint, access_token)
        listed = [one for one in fetch_list(provider.name, request) if isinstance(one, dict)]
        primary = next((one for one in listed if one.get("primary") is True), {})
        verified = {"email": primary.get("email"), "email_verified": primary.get("verified")}
        return {**claims, **verified}


def _read_subject(provider: Provider, claims: Claims) -> str:
    """Return the permanent id of the user, which may be a number."""
    found = claims.get(provider.subject_claim)
    is_number = isinstance(found, int) and not isinstance(found, bool)
    return require_subject(provider, str(found) if is_number else found)
