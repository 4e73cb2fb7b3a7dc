"""Sign JWTs that are no access or refresh tokens: ID tokens and logout tokens."""

from collections.abc import Mapping

import jwt

from gatehouse.tokens import sync


def sign_jwt(claims: Mapping[str, object], typ: str, algorithm: str) -> str:
    """Sign claims with the active key of an algorithm.

    Raises:
        ServiceUnavailable: keys were last read more than 5 seconds ago.
    """
    key = sync.current_state().require_keys().active_for(algorithm)
    headers = {"typ": typ, "kid": key.kid}
    return jwt.encode(dict(claims), key.private, algorithm=key.algorithm, headers=headers)
