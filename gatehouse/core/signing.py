"""Signers (itsdangerous) with our secret keys: the active one signs, all of them verify."""

import hashlib

from itsdangerous import Signer, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode, want_bytes

import config


class StrictSigner(Signer):
    """A signer by HMAC-SHA-256 that accepts one spelling of each signature.

    The base class ignores unknown characters and unused bits of base64.
    """

    default_digest_method = staticmethod(hashlib.sha256)
    default_key_derivation = "hmac"

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        """Return whether the signature is valid, as itsdangerous expects, and canonical."""
        is_valid = super().verify_signature(value, sig)
        return is_valid and base64_encode(base64_decode(sig)) == want_bytes(sig)


class StrictTimestampSigner(StrictSigner, TimestampSigner):
    """A strict signer that adds the time."""


def secret_keys() -> list[bytes]:
    """Return the secret keys as itsdangerous expects them: the last one signs."""
    return [*reversed(config.settings().secret_keys.keys.values())]
