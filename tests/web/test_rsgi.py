"""Between the server and Flask: complete bodies, honest names, and nothing waits for a thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from gatehouse.web import rsgi
from gatehouse.web.request_validation import BODY_LIMIT
from gatehouse.web.rsgi import Bridge, environ_of

JSON = ("content-type", "application/json")
LOGIN = b'{"identifier": "nobody@example.com", "password": "wrong"}'


@dataclass
class Exchange:
    """The server's side of a request whose body comes in these parts, and then perhaps never."""

    parts: tuple[bytes, ...] = ()
    hangs: bool = False
    taken: int = 0
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)

    async def __aiter__(self):
        for part in self.parts:
            self.taken += len(part)
            yield part
        if self.hangs:
            await asyncio.sleep(30)

    def response_bytes(self, status, headers, body):
        self.answers.append((status, dict(headers), body))


def scope(path="/", *headers, method="GET", **more):
    if "host" not in dict(headers):
        headers = (("host", "localhost:8000"), *headers)
    names = {name for name, _ in headers}
    legible = [(name, value) for name, value in headers if value.isascii()]  # as the server does
    pairs = SimpleNamespace(items=lambda: legible, keys=lambda: sorted(names))
    told = {"client": "192.0.2.7:4711", "server": "127.0.0.1:8000", "scheme": "http"}
    told |= {"query_string": "", "http_version": "1.1"}
    return SimpleNamespace(path=path, method=method, headers=pairs, **(told | more))


def in_a_loop(coroutine):
    """Run it in a thread of its own: where the browser's tests were, a loop runs already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def ask(app, request, exchange):
    """Let a bridge of one thread answer."""

    async def serve():
        served = Bridge(app, threads=1)
        served.__rsgi_init__(asyncio.get_running_loop())
        await served.__rsgi__(request, exchange)

    in_a_loop(serve())
    [answer] = exchange.answers
    return answer


def post(app, exchange, *headers):
    return ask(app, scope("/auth/login", JSON, *headers, method="POST"), exchange)


def test_a_body_is_put_together_from_its_parts(app):
    length = ("content-length", str(len(LOGIN)))

    status, _, _ = post(app, Exchange((LOGIN[:9], LOGIN[9:])), length)

    assert status == 401


def test_a_chunked_body_needs_no_length(app):
    status, _, _ = post(app, Exchange((LOGIN,)), ("transfer-encoding", "chunked"))

    assert status == 401


def test_of_an_endless_body_no_more_is_taken_than_is_allowed(app):
    endless = Exchange((b" " * 4096,) * 1000)

    status, _, body = post(app, endless, ("transfer-encoding", "chunked"))

    assert (status, b"payload_too_large" in body) == (413, True)
    assert endless.taken <= BODY_LIMIT + 4096


def test_a_body_that_is_announced_too_large_is_not_waited_for(app):
    never = Exchange(hangs=True)

    status, _, _ = post(app, never, ("content-length", str(BODY_LIMIT + 1)))

    assert (status, never.taken) == (413, 0)


def test_a_body_that_does_not_come_is_given_up(app, monkeypatch):
    monkeypatch.setattr(rsgi, "BODY_PATIENCE", 0.05)
    half = Exchange((LOGIN[:9],), hangs=True)

    status, headers, body = post(app, half, ("content-length", str(len(LOGIN))))

    assert (status, b"request_timeout" in body) == (408, True)
    assert headers["Connection"] == "close"


@pytest.mark.parametrize("length", ["many", "-1", "", "1, 2"])
def test_a_length_that_is_no_number_is_answered(app, length):
    status, _, _ = post(app, Exchange((LOGIN,)), ("content-length", length))

    assert 400 <= status < 500


def test_what_answers_at_once_needs_no_thread_and_no_body(app):
    asked = scope("/gateway/verify", ("content-length", "500"), method="POST")

    async def serve(exchange):
        await Bridge(app, threads=0).__rsgi__(asked, exchange)

    never = Exchange(hangs=True)
    in_a_loop(serve(never))

    assert (never.answers[0][0], never.taken) == (401, 0)


def test_what_is_no_method_of_such_a_route_is_not_answered_in_the_loop(app):
    async def serve():
        served = Bridge(app, threads=0)
        asked = asyncio.create_task(
            served.__rsgi__(scope("/health/live", method="POST"), Exchange())
        )
        await asyncio.sleep(0.05)
        waits = not asked.done()
        asked.cancel()
        return waits

    assert in_a_loop(serve())


@pytest.mark.parametrize("name", ["authorization", "origin", "x-forwarded-for", "host"])
def test_a_header_that_decides_something_must_be_legible(app, name):
    status, _, body = ask(app, scope("/auth/me", (name, "\xff, 192.0.2.1")), Exchange())

    assert (status, b"malformed_request" in body) == (400, True)


def test_a_gateways_question_about_a_websocket_is_answered(app):
    upgrade = (("connection", "Upgrade"), ("upgrade", "websocket"))

    status, _, _ = ask(app, scope("/gateway/verify", *upgrade), Exchange())

    assert status == 401


def test_an_error_outside_flask_is_the_servers_to_tell(app):
    app.wsgi_app = lambda environ, start_response: 1 // 0

    with pytest.raises(ZeroDivisionError):
        ask(app, scope(), Exchange())


@pytest.mark.requirement("RL-04")
def test_names_with_an_underscore_are_dropped():
    sent = scope("/", ("x-forwarded-for", "192.0.2.1"), ("x_forwarded_for", "203.0.113.8"))

    environ = environ_of(sent)

    assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"


@pytest.mark.parametrize(
    ("name", "key", "joined"),
    [
        ("cookie", "HTTP_COOKIE", "a=1; a=2"),
        ("content-type", "CONTENT_TYPE", "a=1,a=2"),
        ("x-forwarded-for", "HTTP_X_FORWARDED_FOR", "a=1,a=2"),
    ],
)
def test_repeated_headers_are_all_seen(name, key, joined):
    environ = environ_of(scope("/", (name, "a=1"), (name, "a=2")))

    assert environ[key] == joined


def test_text_is_told_as_wsgi_wants_it():
    environ = environ_of(scope("/grüße", query_string="q=ü", client="[2001:db8::1]:80"))

    assert environ["PATH_INFO"].encode("latin-1").decode() == "/grüße"
    assert environ["QUERY_STRING"].encode("latin-1").decode() == "q=ü"
    assert environ["REMOTE_ADDR"] == "2001:db8::1"
