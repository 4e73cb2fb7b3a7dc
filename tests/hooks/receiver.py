"""A server of the operator that receives hooks over TLS, and verifies their signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.mail_server import create_tls_context

ALLOW = {"decision": "allow"}
DENY = {"decision": "deny", "code": "blocked_country", "message": "Not from your country."}
Answer = dict[str, Any] | Response | Callable[[], Response]


class HookReceiver:
    """Answers hooks as a test says, or with a WSGI application; keeps what it received."""

    def __init__(self, authority: trustme.CA) -> None:
        self.certificate = authority.cert_pem.bytes().decode()
        self._server = HTTPServer(ssl_context=create_tls_context(authority), threaded=True)
        self._server.expect_request("/hook").respond_with_handler(self._answer)
        self.reset()

    def reset(self) -> None:
        """Allow everything, and forget what was received."""
        self.answer: Answer = ALLOW
        self.received: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.released = threading.Event()
        self.application: Any = None

    def start(self) -> None:
        """Start to listen."""
        self._server.start()  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """Answer what waits, and stop."""
        self.released.set()
        self._server.stop()  # type: ignore[no-untyped-call]

    @property
    def port(self) -> int:
        """The port."""
        return self._server.port

    @property
    def url(self) -> str:
        """The URL of the hook."""
        return f"https://localhost:{self.port}/hook"

    def wait(self) -> Response:
        """Answer only after the test."""
        self.released.wait(100)
        return Response('{"decision": "allow"}')

    def _answer(self, request: Request) -> Response:
        self.bodies.append(request.get_data())
        self.headers.append(dict(request.headers))
        self.received.append(request.get_json())
        if self.application:
            request.environ["wsgi.input"] = BytesIO(self.bodies[-1])
            return Response.from_app(self.application, request.environ)
        answer = self.answer
        if isinstance(answer, dict):
            return Response(json.dumps(answer), content_type="application/json")
        return answer if isinstance(answer, Response) else answer()


@contextmanager
def running_receiver() -> Iterator[HookReceiver]:
    """Yield a receiver that listens."""
    receiver = HookReceiver(trustme.CA())
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()


def is_signed(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """Verify a signature as the specification of Standard Webhooks says."""
    names = {name.lower(): value for name, value in headers.items()}
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{names['webhook-id']}.{names['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return f"v1,{digest}" in names["webhook-signature"].split(" ")
