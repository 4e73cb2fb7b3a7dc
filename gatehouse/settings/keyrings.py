"""Key rings: named 32-byte keys; the first is used for new values, the others only for old ones."""

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path

HOW_TO_GENERATE_KEY = (
    'generate one with: python3 -c "import secrets, base64;'
    "print('k1:' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)


@dataclass(frozen=True)
class KeyRing:
    """32-byte keys by name, in order; `repr` does not show them."""

    keys: dict[str, bytes] = field(repr=False)

    @property
    def active(self) -> str:
        """Name of the key that is used for new values."""
        return next(iter(self.keys))


def key_ring(value: str) -> KeyRing:
    """`kid:base64 of 32 bytes`, separated by commas, the first active"""
    keys: dict[str, bytes] = {}
    for item in value.split(","):
        kid, _, encoded = item.strip().partition(":")
        if not (kid.isascii() and kid.isalnum()) or len(kid) > 16 or kid in keys:
            raise ValueError("needs entries like k1:BASE64, each with its own short name")
        keys[kid] = _decode_key(encoded)
    if len(set(keys.values())) < len(keys):
        raise ValueError("contains the same key twice")
    return KeyRing(keys)


def _decode_key(encoded: str) -> bytes:
    try:
        material = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"must be base64; {HOW_TO_GENERATE_KEY}") from None
    if len(material) != 32:
        raise ValueError(f"needs keys of exactly 32 bytes; {HOW_TO_GENERATE_KEY}")
    if len(set(material)) < 16:  # 32 random bytes have fewer than 16 values once in 10^13
        raise ValueError(f"contains a key that is not random; {HOW_TO_GENERATE_KEY}")
    return material


def load_development_key_ring(path: Path) -> str:
    """Return the key ring in a file, in the syntax of `key_ring`; generate it when it is missing.

    Only the owner can read the file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _write_once(path, "dev:" + base64.b64encode(os.urandom(32)).decode() + "\n")
    return path.read_text().strip()


def _write_once(path: Path, content: str) -> None:
    """Write a file unless it exists; of several processes that start together, one writes it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
