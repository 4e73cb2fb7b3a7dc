"""One question to one blocking hook: a signed request with a deadline, past a circuit breaker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from flask import current_app

from gatehouse.core import clock, crypto, metrics
from gatehouse.core.crypto import DecryptionFailed
from gatehouse.core.log import logger
from gatehouse.database.session import end_transaction
from gatehouse.hooks import kinds, signing, stored_secrets
from gatehouse.hooks.answers import MAX_BYTES, HookFailed
from gatehouse.hooks.memory import KnownHook
from gatehouse.hooks.signing import SignedMessage
from gatehouse.net.http_client import (
    HttpRequest,
    HttpResponse,
    OutboundRequestBlocked,
    OutboundRequestFailed,
    UnusableResponse,
    send_request,
)
from gatehouse.web.request_context import RequestContext

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Question:
    """What hooks of a kind are asked; `data` is JSON."""

    kind: str
    data: Mapping[str, object]
    context: RequestContext
    user_id: UUID | None = None

    @property
    def body(self) -> bytes:
        """The body of the request: the kind, the time, and the data with the client's."""
        client = {"ip_address": self.context.ip_address, "user_agent": self.context.user_agent}
        data = {**self.data, **client, "request_id": self.context.request_id}
        timestamp = clock.format_rfc3339(clock.now())
        content = {"type": self.kind, "timestamp": timestamp, "data": data}
        return current_app.json.dumps(content).encode()


def start_budget() -> float:
    """Return when the time of all hooks of a kind is over, by the monotonic clock."""
    return clock.monotonic() + kinds.MAX_TIMEOUT * kinds.MILLISECOND


def ask_hook(
    hook: KnownHook, question: Question, deadline: float, parse: Callable[[bytes], Answer]
) -> Answer:
    """Ask a hook, and return its parsed answer; no transaction stays open.

    Only questions without an answer count for the circuit breaker. Clients can cause useless
    answers, as by a user agent that the receiver's firewall rejects, which must not stop others.

    Raises:
        HookFailed: no time is left, the hook has failed too often, or there is no usable answer.
    """
    timeout = min(hook.timeout_ms * kinds.MILLISECOND, deadline - clock.monotonic())
    if timeout < kinds.MIN_TIMEOUT * kinds.MILLISECOND:
        raise HookFailed("no_time_left")
    if not hook.breaker.admit():
        raise HookFailed("circuit_open")
    has_answered = False
    try:
        with metrics.HOOK_SECONDS.labels(hook.kind).time():
            response = _send(hook, question, timeout)
        has_answered = True
        return parse(_require_success(response))
    except HookFailed as failure:
        has_answered = has_answered or isinstance(failure.__cause__, UnusableResponse)
        about = {"hook": hook.name, "reason": str(failure), "cause": str(failure.__cause__ or "")}
        logger().warning("A blocking hook failed.", **about)
        raise
    finally:
        hook.breaker.record(has_answered=has_answered)


def _send(hook: KnownHook, question: Question, timeout: float) -> HttpResponse:
    end_transaction()
    message = SignedMessage(str(crypto.new_id()), question.body)
    try:
        secrets = stored_secrets.decrypt(hook.secrets, hook.id).active
        headers = signing.build_headers(message, secrets)
        return send_request(
            HttpRequest("POST", hook.url, headers, message.body, timeout, MAX_BYTES)
        )
    except DecryptionFailed as error:
        raise HookFailed("secret_unreadable") from error
    except OutboundRequestBlocked as error:
        raise HookFailed("url_not_allowed") from error
    except OutboundRequestFailed as error:
        raise HookFailed("unreachable") from error


def _require_success(response: HttpResponse) -> bytes:
    """Return the body of a response whose status is 200.

    Raises:
        HookFailed: it has another status.
    """
    if response.status != 200:
        raise HookFailed(f"status_{response.status}")
    return response.body
