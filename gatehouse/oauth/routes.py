"""Routes of clients: tokens, revocation, introspection, userinfo, and the server's metadata."""

from collections.abc import Mapping

from flask import Response, jsonify, request
from marshmallow import Schema, fields, post_dump

from gatehouse.core.errors import RateLimited, ServiceUnavailable
from gatehouse.oauth import introspection, metadata, token_revocation, userinfo
from gatehouse.oauth.client_authentication import authenticate_client
from gatehouse.oauth.endpoint_forms import (
    OneTokenFields,
    OneTokenForm,
    TokenFields,
    TokenRequestForm,
    UserinfoFields,
    UserinfoForm,
)
from gatehouse.oauth.errors import (
    OAUTH,
    InsufficientScope,
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from gatehouse.oauth.token_endpoint import issue_tokens
from gatehouse.oauth.token_request import TokenResponse
from gatehouse.sessions.csrf import accepts_any_origin
from gatehouse.sessions.request_credentials import bearer_token, bearer_token_or_none
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from gatehouse.web.openapi import FORM, Blueprint
from gatehouse.web.request_context import request_context

oauth = Blueprint(
    "oauth",
    __name__,
    url_prefix="/oauth2",
    description="For applications that users sign in to",
    body_format=FORM,
    error_format=OAUTH,
)
oauth_metadata = Blueprint(
    "oauth_metadata", __name__, description="For applications that users sign in to"
)
TOKEN_ERRORS = (TokenMissing, TokenInvalid, TokenExpired, TokenRevoked, InsufficientScope)


class TokenResult(Schema):
    """The tokens of a grant (RFC 6749 section 5.1)."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True)
    scope = fields.String(required=True)
    refresh_token = fields.String()
    id_token = fields.String()

    @post_dump
    def leave_out_missing(self, members: dict[str, object], **_: object) -> dict[str, object]:
        """Leave out the tokens that the grant does not give."""
        return {name: value for name, value in members.items() if value is not None}


class Introspection(Schema):
    """What a token says, if it is valid (RFC 7662 section 2.2)."""

    active = fields.Boolean(required=True)
    token_type = fields.String()
    iss = fields.String()
    sub = fields.String()
    aud = fields.String()
    client_id = fields.String()
    scope = fields.String()
    jti = fields.String()
    iat = fields.Integer()
    exp = fields.Integer()
    sid = fields.String()
    auth_time = fields.Integer()
    acr = fields.String()
    amr = fields.List(fields.String())
    roles = fields.List(fields.String())


@oauth.post("/token")
@accepts_any_origin
@oauth.arguments(TokenRequestForm, unknown="exclude")
@oauth.response(200, TokenResult)
@oauth.errors(InvalidRequest, InvalidClient, InvalidGrant, InvalidScope, InvalidTarget)
@oauth.errors(UnauthorizedClient, UnsupportedGrantType, RateLimited, ServiceUnavailable)
def request_tokens(form: TokenFields) -> tuple[TokenResponse, Mapping[str, str]]:
    """Exchange a code, a refresh token or the client's credentials for tokens."""
    response = issue_tokens(form, form.credentials(_authorization()), request_context())
    return response, {"Pragma": "no-cache"}  # RFC 6749 section 5.1


@oauth.post("/revoke")
@accepts_any_origin
@oauth.arguments(OneTokenForm, unknown="exclude")
@oauth.response(200)
@oauth.errors(InvalidRequest, InvalidClient, InvalidGrant, RateLimited, ServiceUnavailable)
def revoke_token(form: OneTokenFields) -> Response:
    """Revoke a token of the client; one that is not valid is as good as revoked."""
    client = authenticate_client(form.credentials(_authorization()))
    token_revocation.revoke_token(client, _require_token(form), request_context())
    return Response(status=200)


@oauth.post("/introspect")
@accepts_any_origin
@oauth.arguments(OneTokenForm, unknown="exclude")
@oauth.response(200, Introspection)
@oauth.errors(InvalidRequest, InvalidClient, RateLimited, ServiceUnavailable)
def introspect_token(form: OneTokenFields) -> dict[str, object]:
    """Describe a token of the client, or for its resource, if it is valid."""
    client = authenticate_client(form.credentials(_authorization()))
    return introspection.introspect_token(client, _require_token(form))


@oauth.get("/userinfo")
@oauth.response(200)
@oauth.errors(*TOKEN_ERRORS, ServiceUnavailable)
def read_userinfo() -> Response:
    """Get the claims of the user that an access token allows."""
    return jsonify(userinfo.read_userinfo(bearer_token()))


@oauth.post("/userinfo")
@accepts_any_origin
@oauth.arguments(UserinfoForm, unknown="exclude", required=False)
@oauth.response(200)
@oauth.errors(InvalidRequest, *TOKEN_ERRORS, ServiceUnavailable)
def post_userinfo(form: UserinfoFields) -> Response:
    """Get the claims of the user; the access token may be in the body instead of the header."""
    if form.access_token and bearer_token_or_none():
        raise InvalidRequest("Send the access token once: in the header or in the body.")
    return jsonify(userinfo.read_userinfo(form.access_token or bearer_token()))


@oauth_metadata.get("/.well-known/openid-configuration")
@oauth_metadata.response(200)
@oauth_metadata.errors(ServiceUnavailable)
def read_provider_metadata() -> Response:
    """Get the metadata of the OpenID provider (OpenID Connect Discovery section 4)."""
    return _metadata()


@oauth_metadata.get("/.well-known/oauth-authorization-server")
@oauth_metadata.response(200)
@oauth_metadata.errors(ServiceUnavailable)
def read_server_metadata() -> Response:
    """Get the metadata of the authorization server (RFC 8414 section 3)."""
    return _metadata()


def _metadata() -> Response:
    response = jsonify(metadata.describe_server())
    response.headers["Cache-Control"] = f"public, max-age={metadata.MAX_AGE}"
    return response


def _authorization() -> str | None:
    return request.headers.get("Authorization")


def _require_token(form: OneTokenFields) -> str:
    if not form.token:
        raise InvalidRequest("The parameter token is missing.")
    return form.token
