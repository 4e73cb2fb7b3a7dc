"""Requests to identity providers: bounded in time, size and number, through the guarded client.

Few threads wait for one provider: when it is slow, further sign-ins with it fail at once, and other
logins keep their threads. A circuit breaker stops asking one that does not answer.
"""

import json
import threading
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask, current_app

from gatehouse.core.log import logger
from gatehouse.database.session import end_transaction
from gatehouse.federation.errors import ProviderRejected, ProviderUnavailable
from gatehouse.net.circuit_breaker import CircuitBreaker
from gatehouse.net.http_client import (
    HttpRequest,
    HttpResponse,
    OutboundRequestBlocked,
    OutboundRequestFailed,
    UnusableResponse,
    send_request,
)

EXTENSION = "gatehouse.federation.outbound"
TIMEOUT_SECONDS, MAX_RESPONSE_BYTES = 5.0, 262_144
MAX_PARALLEL = 4
"""Threads of a worker that may wait for one provider."""
FORM = "application/x-www-form-urlencoded"
Json = dict[str, Any]


@dataclass
class Gate:
    """What limits the requests of this worker to one provider."""

    slots: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(MAX_PARALLEL)
    )
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)


def set_up(app: Flask) -> None:
    """Limit the requests to each provider from now on."""
    app.extensions[EXTENSION] = {}


def fetch_json(provider: str, http_request: HttpRequest) -> Json:
    """Send a request to a provider, and return the JSON object of its response.

    Raises:
        ProviderUnavailable: it did not answer, or with an error of its own.
        ProviderRejected: it rejected the request, or its response is no JSON object.
    """
    return _parse(provider, fetch(provider, http_request))


def fetch_list(provider: str, http_request: HttpRequest) -> list[object]:
    """Send a request to a provider, and return the JSON list of its response.

    Raises:
        ProviderUnavailable, ProviderRejected: see `fetch_json`.
    """
    content = _load(provider, fetch(provider, http_request))
    if not isinstance(content, list):
        raise ProviderRejected(provider=provider, reason="response is no list")
    return content


def fetch(provider: str, http_request: HttpRequest) -> HttpResponse:
    """Send a request to a provider, without an open transaction; return a response of success.

    Raises:
        ProviderUnavailable: it did not answer, or with an error of its own.
        ProviderRejected: it rejected the request, or its response cannot be used.
    """
    end_transaction()
    limited = replace(http_request, timeout=TIMEOUT_SECONDS, max_bytes=MAX_RESPONSE_BYTES)
    gate = _gate_of(provider)
    if not gate.slots.acquire(blocking=False):
        raise ProviderUnavailable(provider=provider, reason="too many requests wait for it")
    try:
        if not gate.breaker.admit():
            raise ProviderUnavailable(provider=provider, reason="it failed several times")
        response = _send(provider, limited, gate.breaker)
    finally:
        gate.slots.release()
    if response.status >= 500 or response.status == 429:
        raise ProviderUnavailable(provider=provider, reason=f"status {response.status}")
    if not 200 <= response.status < 300:
        logger().warning("An identity provider rejected a request.", provider=provider)
        raise ProviderRejected(provider=provider, reason=_describe(response))
    return response


def _send(provider: str, http_request: HttpRequest, breaker: CircuitBreaker) -> HttpResponse:
    try:
        response = send_request(http_request)
    except (OutboundRequestBlocked, UnusableResponse) as error:
        breaker.record(has_answered=True)
        raise ProviderRejected(provider=provider, reason=str(error)) from None
    except OutboundRequestFailed as error:
        breaker.record(has_answered=False)
        raise ProviderUnavailable(provider=provider, reason=str(error)) from None
    breaker.record(has_answered=response.status < 500)
    return response


def _describe(response: HttpResponse) -> str:
    """Return the status, and the error code of RFC 6749 section 5.2 if there is one."""
    try:
        code = json.loads(response.body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        code = ""
    is_code = isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum()
    return f"status {response.status} {code[:64] if is_code else ''}".strip()


def _parse(provider: str, response: HttpResponse) -> Json:
    if response.headers.get("Content-Type", "").startswith(FORM):  # as GitHub's token endpoint
        return dict(parse_qsl(response.body.decode("utf-8", "replace")))
    content = _load(provider, response)
    if not isinstance(content, dict):
        raise ProviderRejected(provider=provider, reason="response is no object")
    return content


def _load(provider: str, response: HttpResponse) -> object:
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        raise ProviderRejected(provider=provider, reason="response is no JSON") from None


def _gate_of(provider: str) -> Gate:
    gates: dict[str, Gate] = current_app.extensions[EXTENSION]
    return gates.setdefault(provider, Gate())
