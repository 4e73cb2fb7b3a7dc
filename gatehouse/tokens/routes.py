"""The door of the room: public keys and revocations, for everyone who verifies tokens."""

from flask import Response, jsonify, request
from marshmallow import Schema, fields

from gatehouse.core.errors import NotFound
from gatehouse.tokens import status_list as status_lists
from gatehouse.tokens import sync
from gatehouse.tokens.claims import LIST_NUMBER
from gatehouse.tokens.keys import PUBLISHED_AHEAD
from gatehouse.web.openapi import Blueprint

tokens = Blueprint("tokens", __name__, description="For everyone who verifies tokens")
SIGNED = {
    "description": "The signed list.",
    "content": {status_lists.MEDIA_TYPE: {"schema": {"type": "string"}}},
}
NOT_MODIFIED = {"description": "The list is the one that `If-None-Match` names."}
NUMBER = {"type": "string", "pattern": f"^(?:{LIST_NUMBER.pattern})$"}
DOCUMENT = {
    "parameters": [{"in": "path", "name": "number", "required": True, "schema": NUMBER}],
    "responses": {"200": SIGNED, "304": NOT_MODIFIED},
}


class KeySet(Schema):
    """A JWK Set (RFC 7517 section 5)."""

    keys = fields.List(fields.Dict(), required=True)


@tokens.get("/.well-known/jwks.json")
@tokens.response(200, KeySet)
def jwks() -> Response:
    """Answer the JWK Set (RFC 7517 section 5): next, active and retiring keys."""
    ring = sync.up_to_date().keys()
    answer = jsonify(keys=[key.jwk for key in ring.keys.values()])
    answer.headers["Cache-Control"] = f"public, max-age={PUBLISHED_AHEAD}"
    return answer


@tokens.get("/tokens/status/<number>")
@tokens.response(200)
@tokens.doc(**DOCUMENT)
@tokens.refuses(NotFound)
def status_list(number: str) -> Response:
    """Answer which sessions have ended, as a Token Status List in the form of a JWT.

    The `status` claim of an access token names its list, and its bit there.
    """
    if not LIST_NUMBER.fullmatch(number):
        raise NotFound
    found = status_lists.published(int(number))
    answer = Response(found.token, content_type=status_lists.MEDIA_TYPE)
    answer.headers["Cache-Control"] = f"public, max-age={status_lists.TTL}"
    answer.set_etag(found.etag)
    answer.make_conditional(request)  # RFC 9110 section 13.1.2
    return answer
