"""RSGI adapter: complete bodies, header names, and routes that run in the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from gatehouse.web import rsgi
from gatehouse.web.request_validation import MAX_BODY_BYTES
from gatehouse.web.rsgi import RsgiAdapter, build_environ

JSON = ("content-type", "application/json")
LOGIN = b'{"identifier": "nobody@example.com", "password": "wrong"}'


@dataclass
class FakeProtocol:
    """The server's interface for a request; the body has these chunks, and may never end."""

    chunks: tuple[bytes, ...] = ()
    never_ends: bool = False
    bytes_read: int = 0
    responses: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)

    async def __aiter__(self):
        for chunk in self.chunks:
            self.bytes_read += len(chunk)
            yield chunk
        if self.never_ends:
            await asyncio.sleep(30)

    def response_bytes(self, status, headers, body):
        self.responses.append((status, dict(headers), body))


def scope(path="/", *headers, method="GET", **changes):
    if "host" not in dict(headers):
        headers = (("host", "localhost:8000"), *headers)
    names = {name for name, _ in headers}
    readable = [(name, value) for name, value in headers if value.isascii()]  # as the server does
    pairs = SimpleNamespace(items=lambda: readable, keys=lambda: sorted(names))
    defaults = {"client": "192.0.2.7:4711", "server": "127.0.0.1:8000", "scheme": "http"}
    defaults |= {"query_string": "", "http_version": "1.1"}
    return SimpleNamespace(path=path, method=method, headers=pairs, **(defaults | changes))


def run_in_loop(coroutine):
    """Run a coroutine in a new thread: after browser tests, this thread has a running loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def handle(app, request, protocol):
    """Handle a request with an adapter of one thread; return its response."""

    async def serve():
        adapter = RsgiAdapter(app, threads=1)
        adapter.__rsgi_init__(asyncio.get_running_loop())
        await adapter.__rsgi__(request, protocol)

    run_in_loop(serve())
    [response] = protocol.responses
    return response


def post(app, protocol, *headers):
    return handle(app, scope("/auth/login", JSON, *headers, method="POST"), protocol)


def test_body_is_assembled_from_its_chunks(app):
    length = ("content-length", str(len(LOGIN)))

    status, _, _ = post(app, FakeProtocol((LOGIN[:9], LOGIN[9:])), length)

    assert status == 401


def test_chunked_body_needs_no_length(app):
    status, _, _ = post(app, FakeProtocol((LOGIN,)), ("transfer-encoding", "chunked"))

    assert status == 401


def test_endless_body_is_read_up_to_the_limit(app):
    endless = FakeProtocol((b" " * 4096,) * 1000)

    status, _, body = post(app, endless, ("transfer-encoding", "chunked"))

    assert (status, b"payload_too_large" in body) == (413, True)
    assert endless.bytes_read <= MAX_BODY_BYTES + 4096


def test_body_with_a_too_large_content_length_is_not_read(app):
    protocol = FakeProtocol(never_ends=True)

    status, _, _ = post(app, protocol, ("content-length", str(MAX_BODY_BYTES + 1)))

    assert (status, protocol.bytes_read) == (413, 0)


def test_incomplete_body_times_out(app, monkeypatch):
    monkeypatch.setattr(rsgi, "BODY_TIMEOUT", 0.05)
    incomplete = FakeProtocol((LOGIN[:9],), never_ends=True)

    status, headers, body = post(app, incomplete, ("content-length", str(len(LOGIN))))

    assert (status, b"request_timeout" in body) == (408, True)
    assert headers["Connection"] == "close"


def test_content_length_that_is_no_number_is_rejected(app):
    for length in ("many", "-1", "", "1, 2"):
        status, _, _ = post(app, FakeProtocol((LOGIN,)), ("content-length", length))

        assert 400 <= status < 500, length


def test_non_blocking_route_needs_no_thread_and_no_body(app):
    request_scope = scope("/gateway/verify", ("content-length", "500"), method="POST")

    async def serve(protocol):
        await RsgiAdapter(app, threads=0).__rsgi__(request_scope, protocol)

    protocol = FakeProtocol(never_ends=True)
    run_in_loop(serve(protocol))

    assert (protocol.responses[0][0], protocol.bytes_read) == (401, 0)


def test_other_method_of_a_non_blocking_route_is_not_handled_in_the_loop(app):
    async def serve():
        adapter = RsgiAdapter(app, threads=0)
        request_scope = asyncio.create_task(
            adapter.__rsgi__(scope("/health/live", method="POST"), FakeProtocol())
        )
        await asyncio.sleep(0.05)
        is_waiting = not request_scope.done()
        request_scope.cancel()
        return is_waiting

    assert run_in_loop(serve())


@pytest.mark.parametrize("name", ["authorization", "origin", "x-forwarded-for", "host"])
def test_unreadable_decisive_header_is_rejected(app, name):
    status, _, body = handle(app, scope("/auth/me", (name, "\xff, 192.0.2.1")), FakeProtocol())

    assert (status, b"malformed_request" in body) == (400, True)


def test_forward_auth_request_for_a_websocket_is_handled(app):
    upgrade = (("connection", "Upgrade"), ("upgrade", "websocket"))

    status, _, _ = handle(app, scope("/gateway/verify", *upgrade), FakeProtocol())

    assert status == 401


def test_exception_outside_flask_is_raised_to_the_server(app):
    app.wsgi_app = lambda environ, start_response: 1 // 0

    with pytest.raises(ZeroDivisionError):
        handle(app, scope(), FakeProtocol())


@pytest.mark.requirement("RL-04")
def test_header_names_with_an_underscore_are_dropped():
    scope_with_both = scope(
        "/", ("x-forwarded-for", "192.0.2.1"), ("x_forwarded_for", "203.0.113.8")
    )

    environ = build_environ(scope_with_both)

    assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"


@pytest.mark.parametrize(
    ("name", "key", "joined"),
    [
        ("cookie", "HTTP_COOKIE", "a=1; a=2"),
        ("content-type", "CONTENT_TYPE", "a=1,a=2"),
        ("x-forwarded-for", "HTTP_X_FORWARDED_FOR", "a=1,a=2"),
    ],
)
def test_repeated_headers_are_joined(name, key, joined):
    environ = build_environ(scope("/", (name, "a=1"), (name, "a=2")))

    assert environ[key] == joined


def test_environ_strings_are_wsgi_strings():
    environ = build_environ(scope("/grüße", query_string="q=ü", client="[2001:db8::1]:80"))

    assert environ["PATH_INFO"].encode("latin-1").decode() == "/grüße"
    assert environ["QUERY_STRING"].encode("latin-1").decode() == "q=ü"
    assert environ["REMOTE_ADDR"] == "2001:db8::1"
