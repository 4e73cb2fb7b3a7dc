"""The public keys of clients that sign their assertions (`private_key_jwt`)."""

import re
from collections.abc import Mapping
from typing import Any, cast

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from gatehouse.core.errors import reject_field

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
MAX_KEYS, MIN_RSA_BITS = 5, 2048
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
"""Members of private and symmetric keys (RFC 7518 section 6)."""
PRIVATE_KEY_MESSAGE = "This is a private key: register the public part only, and replace the key."
PUBLIC_MEMBERS = ("kty", "kid", "use", "alg", "crv", "x", "y", "n", "e")
MAX_MEMBER_LENGTH = 1400
"""A modulus of 8192 bits has 1366 characters."""
PRINTABLE = re.compile(rf"[\x20-\x7e]{{1,{MAX_MEMBER_LENGTH}}}")
ALGORITHMS_OF = {
    ("EC", "P-256"): ("ES256",),
    ("RSA", None): ("RS256", "PS256"),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Which algorithms a key can be used with, by its type and curve."""
Jwk = Mapping[str, Any]


def parse_keys(jwks: Mapping[str, object]) -> dict[str, list[dict[str, str]]]:
    """Return a JWK Set with public keys only, reduced to the members that verifying needs.

    Raises:
        ValidationFailed: it names what is wrong.
    """
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
        message = f'Send a JWK Set with 1 to {MAX_KEYS} keys: {{"keys": [...]}}.'
        reject_field("jwks", "invalid", message)
    parsed = [_parse_key(jwk) for jwk in keys]
    names = [jwk["kid"] for jwk in parsed if "kid" in jwk]
    if len(set(names)) != len(names):
        reject_field("jwks", "invalid", "Two keys have the same kid.")
    return {"keys": parsed}


def find_keys(jwks: Mapping[str, object] | None, header: Mapping[str, object]) -> list[Any]:
    """Return the registered keys that a JWT with this header can be signed with.

    The algorithm must fit the key and be the one it is registered for (RFC 8725 section 3.1).
    """
    algorithm, kid = header.get("alg"), header.get("kid")
    registered = cast(list[Jwk], (jwks or {}).get("keys", []))
    fitting = [jwk for jwk in registered if algorithm in _algorithms_of(jwk)]
    named = [jwk for jwk in fitting if kid is None or jwk.get("kid") in (None, kid)]
    return [PyJWK.from_dict(dict(jwk), cast(str, algorithm)).key for jwk in named]


def _algorithms_of(jwk: Jwk) -> tuple[str, ...]:
    possible = ALGORITHMS_OF.get((str(jwk.get("kty")), jwk.get("crv")), ())
    return tuple(one for one in possible if jwk.get("alg", one) == one)


def _parse_key(jwk: object) -> dict[str, str]:
    if not isinstance(jwk, dict):
        reject_field("jwks", "invalid", "Each key of a JWK Set is an object.")
    if PRIVATE_MEMBERS & jwk.keys():
        reject_field("jwks", "private_key", PRIVATE_KEY_MESSAGE)
    kept = {name: jwk[name] for name in PUBLIC_MEMBERS if name in jwk}
    if not all(isinstance(one, str) and PRINTABLE.fullmatch(one) for one in kept.values()):
        reject_field("jwks", "invalid", "A key cannot be read; copy it from where it was made.")
    _require_usable_key(kept)
    return kept


def _require_usable_key(jwk: dict[str, str]) -> None:
    algorithms = _algorithms_of(jwk)
    if not algorithms or jwk.get("use", "sig") != "sig":
        message = f"Use keys for signatures by {', '.join(ALGORITHMS)}."
        reject_field("jwks", "unsupported_key", message)
    try:
        key: Any = PyJWK.from_dict(jwk, algorithms[0]).key
    except (PyJWTError, ValueError):
        reject_field("jwks", "invalid", "A key cannot be read; copy it from where it was made.")
    if jwk["kty"] == "RSA" and key.key_size < MIN_RSA_BITS:
        reject_field("jwks", "weak_key", f"RSA keys need at least {MIN_RSA_BITS} bits.")
