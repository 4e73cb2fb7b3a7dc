"""Between the server and Flask: no request takes a thread before its body is complete.

granian's own WSGI hands a thread to a request as soon as its headers are there, so that a few
dozen half-sent bodies hold all threads. Here an event loop waits for bodies, and threads only do
work. What answers from memory alone is answered in the loop itself: it waits for no thread.
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
from gatehouse.web.request_validation import BODY_LIMIT, is_at_once

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

BODY_PATIENCE = 10.0  # seconds for a whole body
COMMON = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,  # a chunked body, too, is whole when it comes
}
JOINED_BY = {"HTTP_COOKIE": "; "}
"""How repeated headers are joined, where not by a comma (RFC 9113 section 8.2.3)."""

Answer = tuple[int, list[tuple[str, str]], bytes]


class Scope(Protocol):
    """What the server tells of a request (RSGI 1.x)."""

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


class Exchange(Protocol):
    """The server's side of one request: its body comes in, the answer goes out."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send the answer."""
        ...


class Bridge:
    """An RSGI application that runs a Flask application on threads of its own."""

    def __init__(self, app: Flask, threads: int) -> None:
        self.app = app
        self.application: WSGIApplication = app.wsgi_app
        self.threads = threads
        self.instant = frozenset(_instant(app))
        self.jobs: SimpleQueue[tuple[WSGIEnvironment, asyncio.Future[Answer]]] = SimpleQueue()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the threads; the server calls this in each worker."""
        for number in range(self.threads):
            name = f"request-{number}"
            threading.Thread(target=self._work, args=(loop,), name=name, daemon=True).start()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what runs in the background; the server calls this when it takes no more requests."""
        background_tasks.end(self.app)

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """Answer one request."""
        environ = environ_of(scope)
        if (scope.method, scope.path) in self.instant:
            answer = run(self.application, environ)
        else:
            await _complete_body(environ, exchange)
            future = asyncio.get_running_loop().create_future()
            self.jobs.put((environ, future))
            answer = await future
        exchange.response_bytes(*answer)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            environ, future = self.jobs.get()
            if future.done():  # the sender went away
                continue
            try:
                answer = run(self.application, environ)
            except Exception as error:
                loop.call_soon_threadsafe(_fail, future, error)
            else:
                loop.call_soon_threadsafe(_finish, future, answer)


def environ_of(scope: Scope) -> "WSGIEnvironment":
    """Describe a request as PEP 3333 says, without its body.

    A header name with an underscore is dropped: WSGI could not tell it from the one with a hyphen,
    which a proxy in front may have checked.
    """
    host, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        **COMMON,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": _wsgi(scope.path),
        "QUERY_STRING": _wsgi(scope.query_string),
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(),
    }
    read = set()
    for name, value in scope.headers.items():  # passes over values that are not ASCII
        read.add(name)
        if key := _key(name):
            known = environ.get(key)
            environ[key] = value if known is None else known + JOINED_BY.get(key, ",") + value
    environ["gatehouse.unreadable"] = read.symmetric_difference(scope.headers.keys())
    return environ


def run(application: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    """Let a WSGI application answer, and return the whole of it."""
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


async def _complete_body(environ: "WSGIEnvironment", exchange: Exchange) -> None:
    """Wait for the body, at most one byte more of it than is allowed; `intake` judges it."""
    announced = environ.get("CONTENT_LENGTH", "")
    length = int(announced) if announced.isdecimal() else 0
    if "HTTP_TRANSFER_ENCODING" not in environ and not 0 < length <= BODY_LIMIT:
        return
    body = b""
    try:
        async with asyncio.timeout(BODY_PATIENCE):
            async for chunk in exchange:
                body += chunk
                if len(body) > BODY_LIMIT:
                    break
    except TimeoutError:
        environ["gatehouse.late"] = True
    environ["wsgi.input"] = BytesIO(body[: BODY_LIMIT + 1])


@lru_cache(maxsize=256)
def _key(name: str) -> str:
    """Return the name of a header in the WSGI environment, or nothing if it has none."""
    if "_" in name or name == "upgrade":  # of the connection only, RFC 9110 section 7.8
        return ""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _wsgi(text: str) -> str:
    """Return text as WSGI wants it: the bytes of its UTF-8, each as one character."""
    return text if text.isascii() else text.encode().decode("latin-1")


def _instant(app: Flask) -> Iterable[tuple[str, str]]:
    """Yield method and path of what is answered in the loop; a 405 there is not."""
    for rule in app.url_map.iter_rules():
        if is_at_once(app, rule.endpoint):
            yield from ((method, rule.rule) for method in rule.methods or ())


def _finish(future: "asyncio.Future[Answer]", answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


def _fail(future: "asyncio.Future[Answer]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
