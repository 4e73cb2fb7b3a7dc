"""Reads what a browser brings more strictly than the library does.

The library overlooks bytes behind a CBOR item, and follows tags, even into cycles. Authenticators
write CTAP2 canonical CBOR (CTAP 2.1 section 8): no tags, no open lengths, four levels at most.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from gatehouse.mfa.webauthn.errors import MalformedCredential

BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
DEPTH = 4
LONGEST_ID = 1023  # bytes, WebAuthn section 7.1 step 25
TEXT, ARRAY, MAP, TAG, SIMPLE = 3, 4, 5, 6, 7
"""Major types (RFC 8949 section 3.1)."""

FLAGS_AT, COUNTER_END, ID_AT = 32, 37, 55
"""Places in authenticator data (WebAuthn section 6.1)."""
ATTESTED, EXTENDED = 0x40, 0x80
"""Flags that say what follows the counter."""


@dataclass(frozen=True)
class ClientData:
    """What the browser says about the page that asked (WebAuthn section 5.8.1)."""

    type: str
    challenge: str
    origin: str
    crossed: bool
    """Whether the page stood in a frame of another site."""
    top_origin: str


def to_base64url(data: bytes) -> str:
    """Write bytes as base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Read base64url without padding; each value has one spelling (RFC 4648 section 3.5).

    Raises:
        MalformedCredential: it is something else.
    """
    if not BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise MalformedCredential("The credential holds something that is not base64url.")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(data) != text:
        raise MalformedCredential("The credential holds base64url with bits to spare.")
    return data


def read_client_data(encoded: bytes) -> ClientData:
    """Read `clientDataJSON`.

    Raises:
        MalformedCredential: it is not the JSON of a browser.
    """
    try:
        told = json.loads(encoded.decode())
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise MalformedCredential("clientDataJSON is not a JSON object.")
    kind, challenge, origin = (told.get(name) for name in ("type", "challenge", "origin"))
    crossed, top_origin = told.get("crossOrigin", False), told.get("topOrigin", "")
    texts = (kind, challenge, origin, top_origin)
    if not all(isinstance(text, str) for text in texts) or not isinstance(crossed, bool):
        raise MalformedCredential("clientDataJSON lacks members, or has some of a wrong type.")
    return ClientData(str(kind), str(challenge), str(origin), crossed, str(top_origin))


def require_attestation_object(encoded: bytes) -> None:
    """Return if this is one CBOR map and nothing else.

    Raises:
        MalformedCredential: it is not.
    """
    if _head(encoded, 0)[0] != MAP or end_of_item(encoded) != len(encoded):
        raise MalformedCredential("The attestation object is not one CBOR map.")


def require_authenticator_data(data: Any) -> None:
    """Return if authenticator data has exactly the parts that its flags announce.

    Raises:
        MalformedCredential: it has not, or its credential id is empty or too long.
    """
    if not isinstance(data, bytes) or len(data) < COUNTER_END:
        raise MalformedCredential("The authenticator data is too short.")
    flags, end = data[FLAGS_AT], COUNTER_END
    if flags & ATTESTED:
        end = end_of_item(data, _end_of_id(data))
    if flags & EXTENDED:
        end = end_of_item(data, end)
    if end != len(data):
        raise MalformedCredential("The authenticator data has more parts than it announces.")


def _end_of_id(data: bytes) -> int:
    length = int.from_bytes(data[ID_AT - 2 : ID_AT], "big")
    if not 0 < length <= LONGEST_ID:
        raise MalformedCredential("The credential id must have 1 to 1023 bytes.")
    return ID_AT + length


def end_of_item(data: bytes, start: int = 0, depth: int = DEPTH) -> int:
    """Return where the CBOR item ends that begins at `start`.

    Raises:
        MalformedCredential: there is none, or it is not canonical CBOR.
    """
    major, argument, position = _head(data, start)
    if major in (ARRAY, MAP):
        if depth == 0:
            raise MalformedCredential("CBOR of the credential is nested too deep.")
        for _ in range(argument * (major - TEXT)):  # a map has two items for each entry
            position = end_of_item(data, position, depth - 1)
    elif major not in (0, 1, SIMPLE):
        position += argument
    if position > len(data):
        raise MalformedCredential("CBOR of the credential ends too early.")
    return position


def _head(data: bytes, start: int) -> tuple[int, int, int]:
    """Return major type, argument, and where the head ends (RFC 8949 section 3)."""
    if start >= len(data):
        raise MalformedCredential("CBOR of the credential ends too early.")
    major, short = data[start] >> 5, data[start] & 31
    if short > 27 or major == TAG:
        raise MalformedCredential("CBOR of the credential is not canonical.")
    if short < 24:
        return major, short, start + 1
    end = start + 1 + (1 << (short - 24))
    return major, int.from_bytes(data[start + 1 : end], "big"), end
