"""RSGI adapter between granian and Flask: a request gets a thread when its body is complete.

granian's own WSGI assigns a thread as soon as the headers have arrived, so that a few dozen
incomplete bodies block all threads. Here an event loop waits for bodies, and threads only run
Flask. Routes marked `non_blocking` run in the event loop itself.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from io import BytesIO
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from flask import Flask

from gatehouse.database import background_tasks
from gatehouse.web.request_validation import MAX_BODY_BYTES, is_non_blocking

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

BODY_TIMEOUT = 10.0  # seconds for a whole body
COMMON_ENVIRON = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,  # bodies are complete, chunked ones too
}
HEADER_SEPARATORS = {"HTTP_COOKIE": "; "}
"""Separators of repeated headers other than a comma (RFC 9113 section 8.2.3)."""

WsgiResponse = tuple[int, list[tuple[str, str]], bytes]


class RsgiScope(Protocol):
    """The request as the server describes it (RSGI 1.x)."""

    client: str
    server: str
    scheme: str
    method: str
    path: str
    query_string: str
    http_version: str

    @property
    def headers(self) -> Any:
        """The headers; names are in lower case."""
        ...


class RsgiProtocol(Protocol):
    """The server's interface for one request: receive the body, send the response."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks of the body as they arrive."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send the response."""
        ...


class RsgiAdapter:
    """An RSGI application that runs a Flask application in its own threads."""

    def __init__(self, app: Flask, threads: int) -> None:
        self.app = app
        self.wsgi_app: WSGIApplication = app.wsgi_app
        self.threads = threads
        self.non_blocking_routes = frozenset(_find_non_blocking_routes(app))
        self.jobs: SimpleQueue[tuple[WSGIEnvironment, asyncio.Future[WsgiResponse]]] = SimpleQueue()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the threads; the server calls this in each worker."""
        for number in range(self.threads):
            name = f"request-{number}"
            threading.Thread(target=self._work, args=(loop,), name=name, daemon=True).start()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop background tasks; the server calls this when it accepts no more requests."""
        background_tasks.shut_down(self.app)

    async def __rsgi__(self, scope: RsgiScope, protocol: RsgiProtocol) -> None:
        """Handle one request."""
        environ = build_environ(scope)
        if (scope.method, scope.path) in self.non_blocking_routes:
            response = run_wsgi_app(self.wsgi_app, environ)
        else:
            await _read_body(environ, protocol)
            future = asyncio.get_running_loop().create_future()
            self.jobs.put((environ, future))
            response = await future
        protocol.response_bytes(*response)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            environ, future = self.jobs.get()
            if future.done():  # the client disconnected
                continue
            try:
                response = run_wsgi_app(self.wsgi_app, environ)
            except Exception as error:
                loop.call_soon_threadsafe(_set_exception, future, error)
            else:
                loop.call_soon_threadsafe(_set_result, future, response)


def build_environ(scope: RsgiScope) -> "WSGIEnvironment":
    """Return the WSGI environ of a request (PEP 3333), without its body.

    Header names with an underscore are dropped: in WSGI they look like the name with a hyphen,
    which a proxy may have checked.
    """
    host, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        **COMMON_ENVIRON,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": _wsgi_string(scope.path),
        "QUERY_STRING": _wsgi_string(scope.query_string),
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(),
    }
    readable = set()
    for name, value in scope.headers.items():  # skips values that are not ASCII
        readable.add(name)
        if key := _environ_key(name):
            earlier = environ.get(key)
            environ[key] = (
                value if earlier is None else earlier + HEADER_SEPARATORS.get(key, ",") + value
            )
    environ["gatehouse.unreadable"] = readable.symmetric_difference(scope.headers.keys())
    return environ


def run_wsgi_app(application: "WSGIApplication", environ: "WSGIEnvironment") -> WsgiResponse:
    """Call a WSGI application and return its whole response."""
    started: list[tuple[int, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_error: object) -> Any:
        started[:] = [(int(status[:3]), headers)]

    chunks: Iterable[bytes] = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return (*started[0], body)


async def _read_body(environ: "WSGIEnvironment", protocol: RsgiProtocol) -> None:
    """Read at most one byte more than the limit; `request_validation` rejects what is too large."""
    announced = environ.get("CONTENT_LENGTH", "")
    length = int(announced) if announced.isdecimal() else 0
    if "HTTP_TRANSFER_ENCODING" not in environ and not 0 < length <= MAX_BODY_BYTES:
        return
    body = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in protocol:
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    break
    except TimeoutError:
        environ["gatehouse.late"] = True
    environ["wsgi.input"] = BytesIO(body[: MAX_BODY_BYTES + 1])


@lru_cache(maxsize=256)
def _environ_key(name: str) -> str:
    """Return the key of a header in the WSGI environ, or "" if it is dropped."""
    if "_" in name or name == "upgrade":  # hop-by-hop, RFC 9110 section 7.8
        return ""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _wsgi_string(text: str) -> str:
    """Return text as a WSGI string: each byte of its UTF-8 as one Latin-1 character."""
    return text if text.isascii() else text.encode().decode("latin-1")


def _find_non_blocking_routes(app: Flask) -> Iterable[tuple[str, str]]:
    """Yield method and path of the routes that run in the event loop (not their 405)."""
    for rule in app.url_map.iter_rules():
        if is_non_blocking(app, rule.endpoint):
            yield from ((method, rule.rule) for method in rule.methods or ())


def _set_result(future: "asyncio.Future[WsgiResponse]", response: WsgiResponse) -> None:
    if not future.done():
        future.set_result(response)


def _set_exception(future: "asyncio.Future[WsgiResponse]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
