"""Proof Key for Code Exchange (RFC 7636) in the authorization request: S256 only."""

import re

from gatehouse.oauth.authorization_request import AuthorizationParameters
from gatehouse.oauth.errors import InvalidRequest
from models import OAuthClient

S256 = "S256"
CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # section 4.2


def require_challenge(
    sent: AuthorizationParameters, client: OAuthClient, *, is_openid: bool
) -> None:
    """Require a code challenge; a client that is registered without PKCE needs a `nonce` instead.

    The method `plain`, which is also the one of requests that name none, protects nothing.

    Raises:
        InvalidRequest: there is none, or it is not of the method S256 (RFC 9700 section 2.1.1).
    """
    if not sent.code_challenge:
        if sent.code_challenge_method:
            raise InvalidRequest("The parameter code_challenge is missing.")
        if client.require_pkce or client.authentication_method == "none":
            raise InvalidRequest("PKCE is required: the parameter code_challenge is missing.")
        if not (is_openid and sent.nonce):
            raise InvalidRequest("Without PKCE, the scope openid and a nonce are required.")
    elif sent.code_challenge_method != S256:
        raise InvalidRequest("The code_challenge_method must be S256.")
    elif not CHALLENGE.fullmatch(sent.code_challenge):
        raise InvalidRequest("The code_challenge must have 43 to 128 characters of base64url.")
