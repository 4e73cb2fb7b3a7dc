"""The door of the room: the public keys, for everyone who verifies tokens."""

from flask import Blueprint, Response, jsonify

from gatehouse.tokens import watch

tokens = Blueprint("tokens", __name__)


@tokens.get("/.well-known/jwks.json")
def jwks() -> Response:
    """Answer the JWK Set (RFC 7517 section 5): next, active and retiring keys."""
    ring = watch.up_to_date().keys()
    answer = jsonify(keys=[key.jwk for key in ring.keys.values()])
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer
