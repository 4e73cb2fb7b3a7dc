"""Configure Flask-JWT-Extended, which issues our tokens, with our signing keys.

It verifies none: its decorators have no key to verify with (see `jwt_verification`).
"""

from flask import Flask, g
from flask_jwt_extended import JWTManager

import config
from gatehouse.tokens.worker_state import TokenState, state


def set_up(app: Flask) -> None:
    """Set up the token state and the JWT manager of an application."""
    settings = config.settings()
    app.extensions["gatehouse.tokens"] = TokenState()
    app.config.update(
        JWT_ENCODE_ISSUER=settings.public_url,
        JWT_ENCODE_AUDIENCE=settings.audience,
        JWT_ENCODE_NBF=False,
        JWT_TOKEN_LOCATION=["headers"],
        JWT_COOKIE_CSRF_PROTECT=False,
    )
    _connect_keys(JWTManager(app))


def _connect_keys(manager: JWTManager) -> None:
    @manager.additional_headers_loader
    def choose_key(_identity: object) -> dict[str, str]:
        """Choose key and `kid` together: a key rotation must not separate `kid` and signature."""
        g.signing_key = state().require_keys().active
        return {"kid": g.signing_key.kid, "alg": g.signing_key.algorithm}

    @manager.encode_key_loader
    def signing_key(_identity: object) -> object:
        return g.signing_key.private
