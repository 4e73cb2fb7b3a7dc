"""Key rings: named 32-byte keys, of which the first makes new values and the others only read."""

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path

MAKE_ONE = (
    'make one with: python3 -c "import secrets, base64;'
    "print('k1:' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)


@dataclass(frozen=True)
class KeyRing:
    """Keys by name; shown nowhere."""

    keys: dict[str, bytes] = field(repr=False)

    @property
    def active(self) -> str:
        """The name of the key that new values are made with."""
        return next(iter(self.keys))


def key_ring(value: str) -> KeyRing:
    """`kid:base64 of 32 bytes`, separated by commas, the first active"""
    keys: dict[str, bytes] = {}
    for item in value.split(","):
        kid, _, encoded = item.strip().partition(":")
        if not (kid.isascii() and kid.isalnum()) or len(kid) > 16 or kid in keys:
            raise ValueError("needs entries like k1:BASE64, each with its own short name")
        keys[kid] = _material(encoded)
    if len(set(keys.values())) < len(keys):
        raise ValueError("holds the same key twice")
    return KeyRing(keys)


def _material(encoded: str) -> bytes:
    try:
        material = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"must be base64; {MAKE_ONE}") from None
    if len(material) != 32:
        raise ValueError(f"needs keys of exactly 32 bytes; {MAKE_ONE}")
    if len(set(material)) < 16:  # 32 random bytes hold fewer than 16 values once in 10^13
        raise ValueError(f"holds a key that is not random; {MAKE_ONE}")
    return material


def development_ring(path: Path) -> str:
    """Return the ring that development made for itself, once, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _write_once(path, "dev:" + base64.b64encode(os.urandom(32)).decode() + "\n")
    return path.read_text().strip()


def _write_once(path: Path, content: str) -> None:
    """Write a file that only one of several starting processes can create."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
