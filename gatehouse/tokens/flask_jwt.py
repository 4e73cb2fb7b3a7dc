"""Flask-JWT-Extended, told about our keys, our kinds of tokens and our way to refuse."""

from typing import Any

import jwt
from flask import Flask, current_app, g
from flask_jwt_extended import JWTManager

import config
from gatehouse.core.errors import Refusal
from gatehouse.tokens import sync
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from gatehouse.tokens.jwt_verification import is_of_kind, key_of, refresh_audience
from gatehouse.tokens.worker_state import LEEWAY, TokenState, state

ALGORITHMS = ["ES256", "EdDSA", "RS256"]


def set_up(app: Flask) -> None:
    """Give an application its token state and its token manager."""
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
    _connect_refusals(manager)


def _connect_keys(manager: JWTManager) -> None:
    @manager.additional_headers_loader
    def choose_key(_identity: object) -> dict[str, str]:
        """Asked first; a rotation in between must not part the `kid` from the signature."""
        g.signing_key = state().keys().active
        return {"kid": g.signing_key.kid, "alg": g.signing_key.algorithm}

    @manager.encode_key_loader
    def signing_key(_identity: object) -> Any:
        return g.signing_key.private

    @manager.decode_key_loader
    def verifying_key(header: dict[str, Any], _claims: object) -> Any:
        sync.up_to_date()
        try:
            return key_of(header).public
        except ValueError as unknown:
            raise jwt.InvalidTokenError from unknown

    @manager.token_verification_loader
    def is_access_token(header: dict[str, Any], claims: dict[str, Any]) -> bool:
        return is_of_kind("access", header, claims)

    @manager.token_in_blocklist_loader
    def is_revoked(_header: object, claims: dict[str, Any]) -> bool:
        return claims.get("sid") in state().revoked


def _connect_refusals(manager: JWTManager) -> None:
    """Let every loader of the extension answer 401 problem+json.

    They are called while an error is handled, where raising another one would not be answered.
    """

    def refuse(kind: type[Refusal]) -> Any:
        def answer(*_whatever: object) -> Any:
            return current_app.handle_user_exception(kind())

        return answer

    manager.unauthorized_loader(refuse(TokenMissing))
    manager.invalid_token_loader(refuse(TokenInvalid))
    manager.token_verification_failed_loader(refuse(TokenInvalid))
    manager.user_lookup_error_loader(refuse(TokenInvalid))
    manager.needs_fresh_token_loader(refuse(TokenInvalid))
    manager.expired_token_loader(refuse(TokenExpired))
    manager.revoked_token_loader(refuse(TokenRevoked))
