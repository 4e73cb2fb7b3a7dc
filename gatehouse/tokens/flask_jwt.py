"""Configure Flask-JWT-Extended with our signing keys, token types and error responses."""

from typing import Any

import jwt
from flask import Flask, current_app, g
from flask_jwt_extended import JWTManager

import config
from gatehouse.core.errors import ApiError
from gatehouse.tokens import sync
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from gatehouse.tokens.jwt_verification import find_key, matches_type, refresh_audience
from gatehouse.tokens.worker_state import LEEWAY, TokenState, state

ALGORITHMS = ["ES256", "EdDSA", "RS256"]


def set_up(app: Flask) -> None:
    """Set up the token state and the JWT manager of an application."""
    settings = config.settings()
    app.extensions["gatehouse.tokens"] = TokenState()
    app.config.update(
        JWT_DECODE_ALGORITHMS=ALGORITHMS,
        JWT_ENCODE_ISSUER=settings.public_url,
        JWT_DECODE_ISSUER=settings.public_url,
        JWT_ENCODE_AUDIENCE=settings.audience,
        JWT_DECODE_AUDIENCE=[settings.audience, refresh_audience()],
        JWT_DECODE_LEEWAY=LEEWAY,
        JWT_ENCODE_NBF=False,
        JWT_TOKEN_LOCATION=["headers"],
        JWT_COOKIE_CSRF_PROTECT=False,
    )
    manager = JWTManager(app)
    _connect_keys(manager)
    _connect_errors(manager)


def _connect_keys(manager: JWTManager) -> None:
    @manager.additional_headers_loader
    def choose_key(_identity: object) -> dict[str, str]:
        """Choose key and `kid` together: a key rotation must not separate `kid` and signature."""
        g.signing_key = state().require_keys().active
        return {"kid": g.signing_key.kid, "alg": g.signing_key.algorithm}

    @manager.encode_key_loader
    def signing_key(_identity: object) -> Any:
        return g.signing_key.private

    @manager.decode_key_loader
    def verifying_key(header: dict[str, Any], _claims: object) -> Any:
        sync.current_state()
        try:
            return find_key(header).public
        except ValueError as error:
            raise jwt.InvalidTokenError from error

    @manager.token_verification_loader
    def is_access_token(header: dict[str, Any], claims: dict[str, Any]) -> bool:
        return matches_type("access", header, claims)

    @manager.token_in_blocklist_loader
    def is_revoked(_header: object, claims: dict[str, Any]) -> bool:
        return claims.get("sid") in state().revoked


def _connect_errors(manager: JWTManager) -> None:
    """Let every error loader of the extension respond with 401 problem+json.

    The loaders run inside an error handler, where Flask would not handle a raised `ApiError`.
    """

    def respond_with(error_type: type[ApiError]) -> Any:
        def respond(*_arguments: object) -> Any:
            return current_app.handle_user_exception(error_type())

        return respond

    manager.unauthorized_loader(respond_with(TokenMissing))
    manager.invalid_token_loader(respond_with(TokenInvalid))
    manager.token_verification_failed_loader(respond_with(TokenInvalid))
    manager.user_lookup_error_loader(respond_with(TokenInvalid))
    manager.needs_fresh_token_loader(respond_with(TokenInvalid))
    manager.expired_token_loader(respond_with(TokenExpired))
    manager.revoked_token_loader(respond_with(TokenRevoked))
