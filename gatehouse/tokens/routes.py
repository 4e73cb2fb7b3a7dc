"""The door of the room: the public keys, for everyone who verifies tokens."""

from flask import Response, jsonify
from marshmallow import Schema, fields

from gatehouse.foundation.api import Blueprint
from gatehouse.tokens import watch
from gatehouse.tokens.keys import PUBLISHED_AHEAD

tokens = Blueprint("tokens", __name__, description="For everyone who verifies tokens")


class KeySet(Schema):
    """A JWK Set (RFC 7517 section 5)."""

    keys = fields.List(fields.Dict(), required=True)


@tokens.get("/.well-known/jwks.json")
@tokens.response(200, KeySet)
def jwks() -> Response:
    """Answer the JWK Set (RFC 7517 section 5): next, active and retiring keys."""
    ring = watch.up_to_date().keys()
    answer = jsonify(keys=[key.jwk for key in ring.keys.values()])
    answer.headers["Cache-Control"] = f"public, max-age={PUBLISHED_AHEAD}"
    return answer
