"""Routes: public keys and token status lists, for services that verify our tokens."""

from flask import Response, jsonify, request
from marshmallow import Schema, fields

from gatehouse.core.errors import NotFound
from gatehouse.tokens import status_list as status_lists
from gatehouse.tokens import sync
from gatehouse.tokens.claims import LIST_NUMBER
from gatehouse.tokens.keys import JWKS_MAX_AGE
from gatehouse.web.openapi import Blueprint

tokens = Blueprint("tokens", __name__, description="For services that verify tokens")
SIGNED_LIST = {
    "description": "The signed list.",
    "content": {status_lists.MEDIA_TYPE: {"schema": {"type": "string"}}},
}
NOT_MODIFIED = {"description": "The list still matches `If-None-Match`."}
LIST_NUMBER_SCHEMA = {"type": "string", "pattern": f"^(?:{LIST_NUMBER.pattern})$"}
OPENAPI = {
    "parameters": [
        {"in": "path", "name": "number", "required": True, "schema": LIST_NUMBER_SCHEMA}
    ],
    "responses": {"200": SIGNED_LIST, "304": NOT_MODIFIED},
}


class JwkSet(Schema):
    """A JWK Set (RFC 7517 section 5)."""

    keys = fields.List(fields.Dict(), required=True)


@tokens.get("/.well-known/jwks.json")
@tokens.response(200, JwkSet)
def read_jwks() -> Response:
    """Get the JWK Set (RFC 7517 section 5): next, active and retired keys."""
    key_set = sync.current_state().require_keys()
    response = jsonify(keys=[key.jwk for key in key_set.keys.values()])
    response.headers["Cache-Control"] = f"public, max-age={JWKS_MAX_AGE}"
    return response


@tokens.get("/tokens/status/<number>")
@tokens.response(200)
@tokens.doc(**OPENAPI)
@tokens.errors(NotFound)
def read_status_list(number: str) -> Response:
    """Get a Token Status List, as a signed JWT: the bits of ended sessions are 1.

    The `status` claim of an access token names its list and its index there.
    """
    if not LIST_NUMBER.fullmatch(number):
        raise NotFound
    found = status_lists.get_status_list(int(number))
    response = Response(found.token, content_type=status_lists.MEDIA_TYPE)
    response.headers["Cache-Control"] = f"public, max-age={status_lists.TTL}"
    response.set_etag(found.etag)
    response.make_conditional(request)  # RFC 9110 section 13.1.2
    return response
