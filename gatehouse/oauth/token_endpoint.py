"""The token endpoint (RFC 6749 section 3.2): authenticate the client, then use the grant."""

from typing import Protocol, cast

from gatehouse.core import plugins
from gatehouse.oauth.client_authentication import (
    ClientCredentials,
    authenticate_client_or_service_account,
)
from gatehouse.oauth.client_metadata import CLIENT_CREDENTIALS, GRANT_TYPES
from gatehouse.oauth.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from gatehouse.oauth.token_request import TokenParameters, TokenRequest, TokenResponse
from gatehouse.web.request_context import RequestContext


class Grant(Protocol):
    """What a client can exchange for tokens."""

    def validate(self, request: TokenRequest) -> None:
        """Check the parameters.

        Raises:
            InvalidRequest: one is missing or malformed.
        """

    def tokens(self, request: TokenRequest) -> TokenResponse:
        """Return the tokens.

        Raises:
            OAuthError: the client gets none.
        """


GRANTS = cast("dict[str, Grant]", plugins.load("gatehouse.oauth.grants", GRANT_TYPES))


def issue_tokens(
    parameters: TokenParameters, credentials: ClientCredentials, context: RequestContext
) -> TokenResponse:
    """Return the tokens that a client gets for its grant.

    Raises:
        InvalidClient: the client could not be authenticated.
        UnsupportedGrantType, UnauthorizedClient: there is no such grant, or not for this client.
        OAuthError: see the grants.
    """
    sender = authenticate_client_or_service_account(credentials, context)
    if not parameters.grant_type:
        raise InvalidRequest("The parameter grant_type is missing.")
    grant = GRANTS.get(parameters.grant_type)
    if grant is None:
        raise UnsupportedGrantType
    allowed = getattr(sender, "grant_types", (CLIENT_CREDENTIALS,))
    if parameters.grant_type not in allowed:
        raise UnauthorizedClient
    request = TokenRequest(parameters, sender, context)
    grant.validate(request)
    return grant.tokens(request)
