"""ID tokens that come back as `id_token_hint`: which user and session a client means.

They are no credentials: they may have expired, but they must be ours and unchanged.
"""

from dataclasses import dataclass
from typing import Any

import jwt

import config
from gatehouse.oauth.errors import InvalidRequest
from gatehouse.tokens import sync

MAX_LENGTH = 8192
TYP = "JWT"
REQUIRED = ("iss", "aud", "sub", "iat", "exp")
OPTIONS: Any = {"require": REQUIRED, "verify_exp": False, "verify_aud": False, "verify_iat": False}
"""An expired ID token is accepted (OpenID Connect RP-Initiated Logout section 2)."""


class HintRejected(InvalidRequest):
    """The `id_token_hint` is no ID token that this service issued to this client."""

    next = "Sign out at the application again."


@dataclass(frozen=True)
class IdTokenHint:
    """The claims of a verified hint."""

    client_id: str
    subject: str
    sid: str | None


def verify_hint(encoded: str) -> IdTokenHint:
    """Verify a hint: signed by a key of ours that is not expired, of our issuer, for one client.

    Raises:
        HintRejected: it is foreign, modified, or a token of another kind.
        ServiceUnavailable: keys were last read more than 5 seconds ago.
    """
    keys = sync.current_state().require_keys().keys
    if len(encoded) > MAX_LENGTH:
        raise HintRejected
    try:
        header = jwt.get_unverified_header(encoded)
        key = keys[header["kid"]]
        public: Any = key.public
        issuer = config.settings().public_url
        algorithms = [key.algorithm]
        claims = jwt.decode(encoded, public, algorithms, options=OPTIONS, issuer=issuer)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        raise HintRejected from None
    client_id, sid = claims["aud"], claims.get("sid")
    is_id_token = header.get("typ") == TYP and "events" not in claims
    if not (is_id_token and isinstance(client_id, str)):
        raise HintRejected
    return IdTokenHint(client_id, claims["sub"], sid if isinstance(sid, str) else None)
