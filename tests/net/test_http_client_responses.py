"""The outbound HTTP client: size and time limits, malformed responses, and what it sends."""

import contextlib
import gzip
import socket
import threading
import time
from itertools import product

import pytest

from gatehouse.net.http_client import (
    HttpRequest,
    OutboundRequestBlocked,
    OutboundRequestFailed,
    send_request,
)
from tests.loopback_server import OK, http_response, loopback_server, respond_with
from tests.tokens.forgery import case

pytestmark = [pytest.mark.requirement("RP-08"), pytest.mark.usefixtures("context")]


# Rejected responses


@pytest.fixture
def send(allow):
    """Return a function that sends a request to a server with this responder."""
    with contextlib.ExitStack() as servers:

        def send(response, **options):
            server = servers.enter_context(loopback_server(response))
            allow("127.0.0.1")
            return send_request(
                HttpRequest("GET", f"http://127.0.0.1:{server.port}/?secret", **options)
            )

        yield send


def endless_body(head):
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield b"x" * 65536


def trickle(start, chunk, pause=0.05):
    """Return a responder that sends a chunk every `pause` seconds, without an end."""

    def response(head):
        yield start
        while True:
            time.sleep(pause)
            yield chunk

    return response


def test_endless_response_ends_at_the_maximum_size(send):
    with pytest.raises(OutboundRequestFailed, match=r"127.0.0.1 sent more than 100000 bytes"):
        send(endless_body, max_bytes=100_000)


def test_response_of_exactly_the_maximum_size_is_accepted(send):
    assert send(respond_with(http_response(b"x" * 100)), max_bytes=100).body == b"x" * 100
    with pytest.raises(OutboundRequestFailed, match="more than 99 bytes"):
        send(respond_with(http_response(b"x" * 100)), max_bytes=99)


SLOW_RESPONSES = {
    "silence": trickle(b"", b"", 0.05),
    "a slow status": trickle(b"HTTP/1.1 200 ", b"O"),
    "a slow header": trickle(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "endless headers": trickle(b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n"),
    "continue for ever": trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a slow body": trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "a slow body without a length": trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "slow chunks": trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("slowness", SLOW_RESPONSES)
def test_slow_response_ends_at_the_deadline(send, slowness):
    started = time.monotonic()

    with pytest.raises(OutboundRequestFailed, match=r"127.0.0.1 took longer than 0.3 seconds"):
        send(SLOW_RESPONSES[slowness], timeout=0.3)

    assert 0.3 <= time.monotonic() - started < 10


def test_slow_handshake_ends_at_the_deadline(allow):
    with loopback_server(trickle(b"", b"")) as server:
        allow("127.0.0.1")
        with pytest.raises(OutboundRequestFailed, match="took longer"):
            send_request(HttpRequest("GET", f"https://127.0.0.1:{server.port}/", timeout=0.3))


def test_slow_resolver_ends_at_the_deadline(monkeypatch):
    test_ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: test_ended.wait(60))
    started = time.monotonic()

    try:
        with pytest.raises(OutboundRequestFailed, match=r"slow.example took longer"):
            send_request(HttpRequest("GET", "https://slow.example/", timeout=0.2))
    finally:
        test_ended.set()

    assert time.monotonic() - started < 10


def test_compressed_response_is_rejected(send):
    compressed = gzip.compress(bytes(10_000_000))
    encodings = ["gzip", "deflate", "br", "gzip, gzip", "GZIP"]

    for encoding, status in product(encodings, ["200 OK", "302 Found"]):
        response = http_response(compressed, status, Content_Encoding=encoding, Location="/x")
        with (
            case(encoding=encoding, status=status),
            pytest.raises(OutboundRequestFailed, match="compressed"),
        ):
            send(respond_with(response))


def test_malformed_response_is_an_error_without_the_url(send):
    for malformed in (b"", b"x", b"HTTP/1.1 x\r\n\r\n", OK[:-1]):
        with case(response=malformed):
            with pytest.raises(OutboundRequestFailed, match=r"did not answer \(\w+\)") as error:
                send(respond_with(malformed))
            assert "secret" not in str(error.value)
            assert error.value.__cause__ is None


def test_cookie_is_not_kept(allow):
    with loopback_server(respond_with(http_response(b"", Set_Cookie="a=b; Path=/"))) as server:
        allow("127.0.0.1")
        for _ in range(2):
            send_request(HttpRequest("GET", f"http://127.0.0.1:{server.port}/"))

    assert not any("Cookie" in request for request in server.requests)


# Accepted responses


def test_request_and_response_are_complete(allow):
    with loopback_server(respond_with(OK)) as server:
        allow("127.0.0.1")
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        response = send_request(
            HttpRequest("POST", f"http://127.0.0.1:{server.port}/a?b=c", headers, b'{"d": 1}')
        )

    assert (response.status, response.headers["x-kind"], response.body) == (200, "good", b"ok")
    assert server.requests[0].startswith("POST /a?b=c HTTP/1.1\r\n")
    for line in ("Content-Type: application/json", "Content-Length: 8", "User-Agent: Gatehouse"):
        assert f"\r\n{line}\r\n" in server.requests[0]
    assert "Accept-Encoding: identity" in server.requests[0]
    assert "gzip" not in server.requests[0]


def test_next_address_is_tried_when_one_does_not_answer(resolve_names, allow):
    with loopback_server(respond_with(OK), "127.0.0.3") as server:
        resolve_names("sms.internal", ["127.0.0.2", "127.0.0.3"])
        allow("sms.internal")

        assert send_request(HttpRequest("GET", f"http://sms.internal:{server.port}/")).status == 200


def test_unreachable_host_is_named_in_the_error(resolve_names, allow):
    allow("127.0.0.1", "nowhere.internal")
    resolve_names("nowhere.internal", [])
    with loopback_server(respond_with(OK)) as server:
        port = server.port

    for host in ("127.0.0.1", "nowhere.internal"):
        with pytest.raises(OutboundRequestFailed, match=rf"^{host} did not answer \(\w+\)\.$"):
            send_request(HttpRequest("GET", f"http://{host}:{port}/"))


def test_unresolvable_host_is_named_in_the_error(monkeypatch):
    def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(OutboundRequestFailed, match=r"^nowhere.example has no IP address\.$"):
        send_request(HttpRequest("GET", "https://nowhere.example/"))


def test_blocked_error_is_a_subclass_of_failed():
    assert issubclass(OutboundRequestBlocked, OutboundRequestFailed)
