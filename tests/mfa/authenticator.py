"""A browser with an authenticator; tests can override any part of its responses."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
"""The flags of authenticator data (WebAuthn section 6.1)."""
AAGUID = bytes.fromhex("2fc0579f811347eab116bb5a8db9202a")
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Json = Mapping[str, Any]


def b64(data: bytes) -> str:
    """Encode base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Decode base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cose(key: Key) -> dict[int, Any]:
    """Return the public key in COSE form (RFC 9053)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()}
    if isinstance(key, rsa.RSAPrivateKey):
        rsa_numbers = key.public_key().public_numbers()
        n = rsa_numbers.n.to_bytes(key.key_size // 8, "big")
        return {1: 3, 3: -257, -1: n, -2: b"\x01\x00\x01"}
    numbers = key.public_key().public_numbers()
    size = (key.key_size + 7) // 8
    x, y = (number.to_bytes(size, "big") for number in (numbers.x, numbers.y))
    return {1: 2, 3: -7, -1: 1, -2: x, -3: y}


def sign(key: Key, data: bytes) -> bytes:
    """Sign with the algorithm of the key."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def unchanged(value: Any) -> Any:
    """Return the value as it is: the default of the `change_...` overrides."""
    return value


@dataclass
class Authenticator:
    """An authenticator with one passkey. Each method takes overrides for parts of its response.

    Of the client data: type, challenge, origin, cross_origin, top_origin. Of the authenticator:
    rp_id, flags, counter, credential_id, key, cose, aaguid, fmt, statement, extra (bytes after the
    authenticator data). Of the credential: id, raw_id, user_handle. `change_...` are functions that
    change encoded bytes.
    """

    origin: str = "http://localhost:8000"
    rp_id: str = "localhost"
    flags: int = UP | UV
    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(16))
    counter: int = 0
    user_handle: str | None = None

    def create(self, options: Json, **overrides: Any) -> dict[str, Any]:
        """Return the credential of `navigator.credentials.create()`."""
        if "user_handle" not in overrides:
            self.user_handle = options["user"]["id"]
        client_data = self._client_data("webauthn.create", options, overrides)
        auth_data = self._auth_data(
            overrides.get("flags", self.flags) | AT, self._attested(overrides), overrides
        )
        fmt, statement = overrides.get("fmt", "none"), overrides.get("statement", {})
        if callable(statement):
            statement = statement(auth_data + hashlib.sha256(client_data).digest())
        attested = {"fmt": fmt, "attStmt": statement, "authData": auth_data}
        encoded = overrides.get("change_object", unchanged)(cbor2.dumps(attested))
        response = {"attestationObject": b64(encoded), "transports": ["internal", "laser"]}
        return self._credential(client_data, response, overrides)

    def get(self, options: Json, **overrides: Any) -> dict[str, Any]:
        """Return the credential of `navigator.credentials.get()`."""
        self.counter += 1 if self.counter else 0
        client_data = self._client_data("webauthn.get", options, overrides)
        auth_data = self._auth_data(overrides.get("flags", self.flags), b"", overrides)
        signed = auth_data + hashlib.sha256(client_data).digest()
        signature = overrides.get("change_signature", unchanged)(
            sign(overrides.get("key", self.key), signed)
        )
        response = {
            "authenticatorData": b64(auth_data),
            "signature": b64(signature),
            "userHandle": overrides.get("user_handle", self.user_handle),
        }
        return self._credential(client_data, response, overrides)

    def _client_data(self, kind: str, options: Json, overrides: Json) -> bytes:
        members = {
            "type": overrides.get("type", kind),
            "challenge": overrides.get("challenge", options["challenge"]),
            "origin": overrides.get("origin", self.origin),
            "crossOrigin": overrides.get("cross_origin", False),
        }
        if "top_origin" in overrides:
            members["topOrigin"] = overrides["top_origin"]
        change: Callable[[bytes], bytes] = overrides.get("change_client_data", unchanged)
        return change(json.dumps(members).encode())

    def _auth_data(self, flags: int, attested: bytes, overrides: Json) -> bytes:
        rp_id_hash = hashlib.sha256(overrides.get("rp_id", self.rp_id).encode()).digest()
        counter = overrides.get("counter", self.counter).to_bytes(4, "big")
        data = rp_id_hash + bytes([flags]) + counter + attested + overrides.get("extra", b"")
        changed: bytes = overrides.get("change_auth_data", unchanged)(data)
        return changed

    def _attested(self, overrides: Json) -> bytes:
        credential_id = overrides.get("credential_id", self.credential_id)
        key = overrides["cose"] if "cose" in overrides else cose(overrides.get("key", self.key))
        length = overrides.get("id_length", len(credential_id)).to_bytes(2, "big")
        public: bytes = overrides.get("change_key", unchanged)(cbor2.dumps(key))
        return overrides.get("aaguid", AAGUID) + length + credential_id + public

    def _credential(self, client_data: bytes, response: Json, overrides: Json) -> dict[str, Any]:
        credential_id = b64(overrides.get("credential_id", self.credential_id))
        return {
            "id": overrides.get("id", credential_id),
            "rawId": overrides.get("raw_id", credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {"clientDataJSON": b64(client_data), **response},
        }
