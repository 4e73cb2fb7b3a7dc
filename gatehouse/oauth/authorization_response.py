"""The authorization response: code or error, sent back in the mode that the client asked for.

Every response names its issuer (RFC 9207), so that no client takes a code to another server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

import config
from gatehouse.core.errors import ApiError
from gatehouse.oauth.authorization_request import ResponseTarget
from gatehouse.oauth.errors import error_code, error_description

FRAGMENT, FORM_POST = "fragment", "form_post"


@dataclass(frozen=True)
class AuthorizationResponse:
    """The parameters for a client, and how they get there."""

    redirect_uri: str
    mode: str
    parameters: Mapping[str, str]

    @property
    def url(self) -> str:
        """The redirect URI with the parameters in its query or fragment."""
        parts, sent = urlsplit(self.redirect_uri), urlencode(self.parameters)
        if self.mode == FRAGMENT:
            return urlunsplit(parts._replace(fragment=sent))
        return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, sent)))))


def code_response(target: ResponseTarget, code: str) -> AuthorizationResponse:
    """Return the response to a request that was approved."""
    return _respond(target, {"code": code})


def error_response(target: ResponseTarget, error: ApiError) -> AuthorizationResponse:
    """Return the response to a request that was not (RFC 6749 section 4.1.2.1)."""
    members = {"error": error_code(error), "error_description": error_description(error)}
    return _respond(target, members)


def _respond(target: ResponseTarget, members: Mapping[str, str]) -> AuthorizationResponse:
    state = {"state": target.state} if target.state else {}
    parameters = {**members, **state, "iss": config.settings().public_url}
    return AuthorizationResponse(target.redirect_uri, target.mode, parameters)
