"""A browser and an authenticator in one, which lie about whatever a test wants them to."""

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
MODEL = bytes.fromhex("2fc0579f811347eab116bb5a8db9202a")
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Lies = Mapping[str, Any]


def b64(data: bytes) -> str:
    """Write base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Read base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cose(key: Key) -> dict[int, Any]:
    """Return the public half of a key (RFC 9053)."""
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
    """Sign as a key's algorithm does."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def unchanged(value: Any) -> Any:
    """Tell the truth."""
    return value


@dataclass
class Authenticator:
    """Holds one passkey. Each method takes lies: what it shall say instead of the truth.

    `client_data` members: type, challenge, origin, cross_origin, top_origin. Of the authenticator:
    rp_id, flags, counter, credential_id, key, cose, aaguid, fmt, statement, extra (bytes behind the
    data it signs). Of the answer: id, raw_id, user_handle, signature. `change_...` are functions
    over the bytes before they are sent.
    """

    origin: str = "http://localhost:8000"
    rp_id: str = "localhost"
    flags: int = UP | UV
    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(16))
    counter: int = 0
    user_handle: str | None = None

    def create(self, options: Lies, **lies: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.create()`."""
        if "user_handle" not in lies:
            self.user_handle = options["user"]["id"]
        client_data = self._client_data("webauthn.create", options, lies)
        auth_data = self._auth_data(lies.get("flags", self.flags) | AT, self._attested(lies), lies)
        fmt, statement = lies.get("fmt", "none"), lies.get("statement", {})
        if callable(statement):
            statement = statement(auth_data + hashlib.sha256(client_data).digest())
        attested = {"fmt": fmt, "attStmt": statement, "authData": auth_data}
        encoded = lies.get("change_object", unchanged)(cbor2.dumps(attested))
        response = {"attestationObject": b64(encoded), "transports": ["internal", "laser"]}
        return self._answer(client_data, response, lies)

    def get(self, options: Lies, **lies: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.get()`."""
        self.counter += 1 if self.counter else 0
        client_data = self._client_data("webauthn.get", options, lies)
        auth_data = self._auth_data(lies.get("flags", self.flags), b"", lies)
        signed = auth_data + hashlib.sha256(client_data).digest()
        signature = lies.get("change_signature", unchanged)(sign(lies.get("key", self.key), signed))
        response = {
            "authenticatorData": b64(auth_data),
            "signature": b64(signature),
            "userHandle": lies.get("user_handle", self.user_handle),
        }
        return self._answer(client_data, response, lies)

    def _client_data(self, kind: str, options: Lies, lies: Lies) -> bytes:
        told = {
            "type": lies.get("type", kind),
            "challenge": lies.get("challenge", options["challenge"]),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": lies.get("cross_origin", False),
        }
        if "top_origin" in lies:
            told["topOrigin"] = lies["top_origin"]
        change: Callable[[bytes], bytes] = lies.get("change_client_data", unchanged)
        return change(json.dumps(told).encode())

    def _auth_data(self, flags: int, attested: bytes, lies: Lies) -> bytes:
        rp_id_hash = hashlib.sha256(lies.get("rp_id", self.rp_id).encode()).digest()
        counter = lies.get("counter", self.counter).to_bytes(4, "big")
        data = rp_id_hash + bytes([flags]) + counter + attested + lies.get("extra", b"")
        changed: bytes = lies.get("change_auth_data", unchanged)(data)
        return changed

    def _attested(self, lies: Lies) -> bytes:
        credential_id = lies.get("credential_id", self.credential_id)
        key = lies["cose"] if "cose" in lies else cose(lies.get("key", self.key))
        length = lies.get("id_length", len(credential_id)).to_bytes(2, "big")
        public: bytes = lies.get("change_key", unchanged)(cbor2.dumps(key))
        return lies.get("aaguid", MODEL) + length + credential_id + public

    def _answer(self, client_data: bytes, response: Lies, lies: Lies) -> dict[str, Any]:
        told_id = b64(lies.get("credential_id", self.credential_id))
        return {
            "id": lies.get("id", told_id),
            "rawId": lies.get("raw_id", told_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {"clientDataJSON": b64(client_data), **response},
        }
