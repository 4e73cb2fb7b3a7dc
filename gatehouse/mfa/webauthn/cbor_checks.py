"""Strict checks of base64url, client data and CBOR, before the library parses them.

The library ignores bytes after a CBOR item and follows tags, even into cycles. Authenticators write
CTAP2 canonical CBOR (CTAP 2.1 section 8): no tags, no indefinite lengths, at most four levels.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from gatehouse.mfa.webauthn.errors import MalformedCredential

BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
MAX_DEPTH = 4
MAX_CREDENTIAL_ID_LENGTH = 1023  # bytes, WebAuthn section 7.1 step 25
TEXT, ARRAY, MAP, TAG, SIMPLE = 3, 4, 5, 6, 7
"""Major types (RFC 8949 section 3.1)."""

FLAGS_OFFSET, COUNTER_END, CREDENTIAL_ID_OFFSET = 32, 37, 55
"""Byte offsets in authenticator data (WebAuthn section 6.1)."""
ATTESTED_CREDENTIAL_DATA, EXTENSION_DATA = 0x40, 0x80
"""Flags for the parts that follow the counter."""


@dataclass(frozen=True)
class ClientData:
    """The browser's data about the calling page (WebAuthn section 5.8.1)."""

    type: str
    challenge: str
    origin: str
    cross_origin: bool
    """Whether the page was in a frame of another origin."""
    top_origin: str


def to_base64url(data: bytes) -> str:
    """Encode bytes as base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Decode base64url without padding, in canonical form only (RFC 4648 section 3.5).

    Raises:
        MalformedCredential: the text is not canonical base64url.
    """
    if not BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise MalformedCredential("The credential contains a value that is not base64url.")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(data) != text:
        raise MalformedCredential("The credential contains base64url that is not canonical.")
    return data


def read_client_data(encoded: bytes) -> ClientData:
    """Parse `clientDataJSON`.

    Raises:
        MalformedCredential: it is no JSON object, or members are missing or of a wrong type.
    """
    try:
        members = json.loads(encoded.decode())
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise MalformedCredential("clientDataJSON is not a JSON object.")
    kind, challenge, origin = (members.get(name) for name in ("type", "challenge", "origin"))
    cross_origin, top_origin = members.get("crossOrigin", False), members.get("topOrigin", "")
    strings = (kind, challenge, origin, top_origin)
    if not all(isinstance(value, str) for value in strings) or not isinstance(cross_origin, bool):
        raise MalformedCredential("clientDataJSON lacks members, or has some of a wrong type.")
    return ClientData(str(kind), str(challenge), str(origin), cross_origin, str(top_origin))


def require_attestation_object(encoded: bytes) -> None:
    """Check that the bytes are exactly one CBOR map.

    Raises:
        MalformedCredential: they are not.
    """
    if _head(encoded, 0)[0] != MAP or end_of_item(encoded) != len(encoded):
        raise MalformedCredential("The attestation object is not one CBOR map.")


def require_authenticator_data(data: object) -> None:
    """Check that authenticator data has exactly the parts that its flags indicate.

    Raises:
        MalformedCredential: it has not, or its credential id is empty or too long.
    """
    if not isinstance(data, bytes) or len(data) < COUNTER_END:
        raise MalformedCredential("The authenticator data is too short.")
    flags, end = data[FLAGS_OFFSET], COUNTER_END
    if flags & ATTESTED_CREDENTIAL_DATA:
        end = end_of_item(data, _end_of_id(data))
    if flags & EXTENSION_DATA:
        end = end_of_item(data, end)
    if end != len(data):
        raise MalformedCredential("The authenticator data is longer than its flags indicate.")


def _end_of_id(data: bytes) -> int:
    length = int.from_bytes(data[CREDENTIAL_ID_OFFSET - 2 : CREDENTIAL_ID_OFFSET], "big")
    if not 0 < length <= MAX_CREDENTIAL_ID_LENGTH:
        raise MalformedCredential("The credential id must have 1 to 1023 bytes.")
    return CREDENTIAL_ID_OFFSET + length


def end_of_item(data: bytes, start: int = 0, depth: int = MAX_DEPTH) -> int:
    """Return the end offset of the CBOR item that begins at `start`.

    Raises:
        MalformedCredential: the item is truncated, too deeply nested or not canonical.
    """
    major, argument, position = _head(data, start)
    if major in (ARRAY, MAP):
        if depth == 0:
            raise MalformedCredential("CBOR of the credential is nested too deeply.")
        for _ in range(argument * (major - TEXT)):  # a map has two items per entry
            position = end_of_item(data, position, depth - 1)
    elif major not in (0, 1, SIMPLE):
        position += argument
    if position > len(data):
        raise MalformedCredential("CBOR of the credential ends too early.")
    return position


def _head(data: bytes, start: int) -> tuple[int, int, int]:
    """Return the major type, the argument, and the end offset of the head (RFC 8949 section 3)."""
    if start >= len(data):
        raise MalformedCredential("CBOR of the credential ends too early.")
    major, short = data[start] >> 5, data[start] & 31
    if short > 27 or major == TAG:
        raise MalformedCredential("CBOR of the credential is not canonical.")
    if short < 24:
        return major, short, start + 1
    end = start + 1 + (1 << (short - 24))
    return major, int.from_bytes(data[start + 1 : end], "big"), end
