"""ID tokens (OpenID Connect Core section 2): sign them, and read them as hints."""

import base64
import hashlib

import config
from gatehouse.oauth import claims
from gatehouse.oauth.access_tokens import AccessRequest
from gatehouse.tokens.signing import sign_jwt

TYP = "JWT"
HASHES = {"RS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}
"""The hash of `at_hash` for each algorithm (Core section 3.1.3.6; Ed25519 uses SHA-512)."""


def issue_id_token(request: AccessRequest, access_token: str, *, is_first: bool) -> str:
    """Sign an ID token; only that of the code repeats the nonce (Core sections 3.1.3.3 and 12.2).

    Raises:
        ServiceUnavailable: keys were last read more than 5 seconds ago.
    """
    grant, client, now = request.grant, request.client, int(request.now.timestamp())
    nonce = grant.request.get("nonce") if is_first else None
    content = {
        **claims.select_requested(request.user, grant, client, claims.ID_TOKEN),
        "iss": config.settings().public_url,
        "sub": grant.subject,
        "aud": client.id,
        "iat": now,
        "exp": now + client.access_token_lifetime,
        "auth_time": int(grant.authenticated_at.timestamp()),
        "acr": grant.acr,
        "amr": grant.amr,
        "sid": str(grant.sid),
        "at_hash": _hash(access_token, client.id_token_algorithm),
        **({"nonce": nonce} if nonce else {}),
    }
    return sign_jwt(content, TYP, client.id_token_algorithm)


def _hash(access_token: str, algorithm: str) -> str:
    """Return the left half of the hash (Core section 3.1.3.6)."""
    digest = HASHES[algorithm](access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
