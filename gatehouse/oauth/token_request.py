"""What a client sends to the token endpoint, and what it gets."""

from dataclasses import dataclass, field

from gatehouse.oauth.errors import InvalidRequest, UnauthorizedClient
from gatehouse.service_accounts.key_memory import KnownKey
from gatehouse.web.request_context import RequestContext
from models import OAuthClient


@dataclass(frozen=True)
class TokenParameters:
    """The parameters of all grants; an empty one counts as left out (RFC 6749 section 3.2)."""

    grant_type: str = ""
    code: str = field(default="", repr=False)
    redirect_uri: str = ""
    code_verifier: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""
    resource: str = ""


@dataclass(frozen=True)
class TokenRequest:
    """A request of an authenticated client, or of a service account by its API key."""

    parameters: TokenParameters
    sender: OAuthClient | KnownKey
    context: RequestContext

    @property
    def client(self) -> OAuthClient:
        """The client.

        Raises:
            UnauthorizedClient: a service account sent the request.
        """
        if isinstance(self.sender, KnownKey):
            raise UnauthorizedClient("Service accounts get tokens with client_credentials only.")
        return self.sender

    def require(self, name: str) -> str:
        """Return a parameter that the grant needs.

        Raises:
            InvalidRequest: it is missing.
        """
        value: str = getattr(self.parameters, name)
        if not value:
            raise InvalidRequest(f"The parameter {name} is missing.")
        return value

    @property
    def scopes(self) -> tuple[str, ...]:
        """The requested scopes, each once; empty if the client leaves it to us."""
        return tuple(dict.fromkeys(self.parameters.scope.split()))


@dataclass(frozen=True)
class TokenResponse:
    """A successful response (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3)."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    token_type: str = "Bearer"  # noqa: S105 - the token type, RFC 6750 section 6.1.1
