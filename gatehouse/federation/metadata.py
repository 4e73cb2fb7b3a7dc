"""Metadata and keys of OpenID providers, in the memory of each worker.

Both are read again after an hour. While a provider does not answer, what is known of it is used for
a day, so that a short outage of its metadata stops nothing. An unknown key causes a new request, as
after a rotation, but not more than one in half a minute.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, current_app
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from gatehouse.core import clock
from gatehouse.federation.errors import ProviderRejected, ProviderUnavailable
from gatehouse.federation.outbound import Json, fetch_json
from gatehouse.federation.provider import Provider
from gatehouse.net.http_client import HttpRequest

EXTENSION = "gatehouse.federation.metadata"
FRESH, USABLE, RETRY = 3600.0, 86_400.0, 30.0
"""Seconds."""
MAX_KEYS = 50
KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC"}
WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass
class Memory:
    """What a worker knows of a provider, and when it was read, by the uptime."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    metadata: Json = field(default_factory=dict)
    metadata_read_at: float = float("-inf")
    keys: list[Json] = field(default_factory=list)
    keys_read_at: float = float("-inf")
    keys_tried_at: float = float("-inf")


def set_up(app: Flask) -> None:
    """Start with nothing known."""
    app.extensions[EXTENSION] = {}


def get_metadata(provider: Provider) -> Json:
    """Return the metadata of a provider (OpenID Connect Discovery 1.0 section 4).

    Raises:
        ProviderUnavailable: it does not answer, and nothing usable is known.
        ProviderRejected: its metadata is of another issuer, or incomplete.
    """
    memory = _memory(provider)
    age = _now() - memory.metadata_read_at
    if age < FRESH:
        return memory.metadata
    try:
        memory.metadata = _fetch_metadata(provider)
        memory.metadata_read_at = _now()
    except ProviderUnavailable:
        if age > USABLE:
            raise
    return memory.metadata


def find_keys(provider: Provider, header: Mapping[str, object]) -> list[Any]:
    """Return the keys that may have signed a token: by its key id, else all of its key type.

    Raises:
        ProviderUnavailable, ProviderRejected: the keys cannot be read.
    """
    found = _select(_known_keys(provider), header)
    memory = _memory(provider)
    if not found and _now() - memory.keys_tried_at > RETRY:
        _read_keys(provider, memory)
        found = _select(memory.keys, header)
    return found


def _fetch_metadata(provider: Provider) -> Json:
    url = provider.issuer.rstrip("/") + WELL_KNOWN
    metadata = fetch_json(provider.name, HttpRequest("GET", url))
    if metadata.get("issuer") != provider.issuer:  # section 4.3: MUST be identical
        raise ProviderRejected(provider=provider.name, reason="metadata of another issuer")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not isinstance(metadata.get(name), str):
            raise ProviderRejected(provider=provider.name, reason=f"metadata without {name}")
    return metadata


def _known_keys(provider: Provider) -> list[Json]:
    memory = _memory(provider)
    age = _now() - memory.keys_read_at
    if age < FRESH:
        return memory.keys
    try:
        _read_keys(provider, memory)
    except ProviderUnavailable:
        if age > USABLE:
            raise
    return memory.keys


def _read_keys(provider: Provider, memory: Memory) -> None:
    """Read the keys; threads that need them meanwhile use those that are known."""
    url = str(get_metadata(provider)["jwks_uri"])
    with memory.lock:
        memory.keys_tried_at = _now()
    keys = fetch_json(provider.name, HttpRequest("GET", url)).get("keys")
    if not isinstance(keys, list):
        raise ProviderRejected(provider=provider.name, reason="key set without keys")
    with memory.lock:
        memory.keys = [key for key in keys[:MAX_KEYS] if isinstance(key, dict)]
        memory.keys_read_at = _now()


def _select(keys: list[Json], header: Mapping[str, object]) -> list[Any]:
    key_type = KEY_TYPES.get(str(header.get("alg"))[:2])
    of_type = [key for key in keys if key.get("kty") == key_type and key.get("use") != "enc"]
    kid = header.get("kid")
    chosen = [key for key in of_type if kid is None or key.get("kid") == kid]
    return [imported for key in chosen if (imported := _import_key(key))]


def _import_key(key: Json) -> Any:
    try:
        return JWKRegistry.import_key(key)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _now() -> float:
    return clock.uptime().total_seconds()


def _memory(provider: Provider) -> Memory:
    memories: dict[str, Memory] = current_app.extensions[EXTENSION]
    return memories.setdefault(provider.name, Memory())
