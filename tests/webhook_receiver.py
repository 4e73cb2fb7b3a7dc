"""A receiver of webhooks on the loopback address, which keeps what it gets."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, bytes, dict[str, str]]
OK: Answer = (200, b"", {})


class Receiver:
    """An HTTP server that answers as `answer` says, and keeps all requests."""

    def __init__(self, port: int = 0, read: Callable[[bytes], Any] = json.loads) -> None:
        self._read = read
        self.answer: Callable[[dict[str, Any]], Answer] = lambda _event: OK
        self.requests: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append((headers, body))
                status, content, more = receiver.answer(read(body))
                self.send_response_only(status)
                for name, value in {"Content-Length": str(len(content)), **more}.items():
                    self.send_header(name, value)
                with suppress(OSError):  # the client has disconnected
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The bodies of all requests, in the order of their arrival."""
        return [self._read(body) for _, body in list(self.requests)]

    def stop(self) -> None:
        """Accept no more connections."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def webhook_receiver(
    port: int = 0, read: Callable[[bytes], Any] = json.loads
) -> Iterator[Receiver]:
    """Yield a running receiver; `read` parses the body of a request."""
    receiver = Receiver(port, read)
    try:
        yield receiver
    finally:
        receiver.stop()
