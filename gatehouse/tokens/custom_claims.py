"""Claims that the operator adds to access tokens: they never replace a claim of ours.

Names that have a meaning to us or to a standard are reserved: they are refused where a claim is
declared, and left out once more where a token is issued.
"""

import json
import re
from collections.abc import Mapping

from gatehouse.tokens import claims

CLAIM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,99}")
MAX_SIZE = 400  # bytes of all custom claims of a token, as JSON; see `authorization.token_size`
OF_LIBRARIES = {"type", "fresh", "csrf"}  # Flask-JWT-Extended
OF_JWT = {"aud"}  # RFC 7519 section 4.1; the others are in `tokens.claims`
OF_OPENID_CONNECT = {  # Core section 2 and 5.1, as far as we know them ourselves
    *("nonce", "azp", "at_hash", "c_hash", "s_hash", "_claim_names", "_claim_sources"),
    *("name", "preferred_username", "locale", "email", "email_verified", "phone_number"),
    *("phone_number_verified", "updated_at"),
}
OF_OAUTH = {  # RFC 7800, 8693, 8417, 9068, 9101, 9396, 9449
    *("cnf", "may_act", "events", "txn", "toe", "sub_id", "groups", "entitlements"),
    *("authorization_details", "token_type", "active", "username", "permissions", "tenant"),
}
RESERVED = frozenset(
    claims.ACCESS.keys()
    | claims.OPTIONAL.keys()
    | OF_LIBRARIES
    | OF_JWT
    | OF_OPENID_CONNECT
    | OF_OAUTH
)


def is_allowed(name: str) -> bool:
    """Return whether the operator may add a claim of this name."""
    return CLAIM_NAME.fullmatch(name) is not None and name not in RESERVED


def merge_claims(own: Mapping[str, object], custom: Mapping[str, object]) -> dict[str, object]:
    """Return the claims of a token: custom ones that are allowed, and our own, which win."""
    return {name: value for name, value in custom.items() if is_allowed(name)} | dict(own)


def measure_claims(custom: Mapping[str, object]) -> int:
    """Return the bytes that claims take in the payload of a token, as PyJWT writes them."""
    return len(json.dumps(custom, separators=(",", ":")))
