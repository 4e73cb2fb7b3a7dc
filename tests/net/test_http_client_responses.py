"""The guarded way out: what it takes of an answer, and what it sends."""

import contextlib
import gzip
import socket
import time

import pytest

from gatehouse.net.http_client import Call, OutboundFailed, OutboundRefused, send
from tests.loopback import OK, always, serving
from tests.loopback import http as answered

pytestmark = [pytest.mark.requirement("RP-08"), pytest.mark.usefixtures("context")]


# What it does not take


@pytest.fixture
def ask(allow):
    """Send a request to a server that answers in some way."""
    with contextlib.ExitStack() as servers:

        def ask(answer, **call):
            server = servers.enter_context(serving(answer))
            allow("127.0.0.1")
            return send(Call("GET", f"http://127.0.0.1:{server.port}/?secret", **call))

        yield ask


def endless(head):
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield b"x" * 65536


def drip(start, drop, pause=0.05):
    """Answer drop by drop, so that no single one is late."""

    def answer(head):
        yield start
        while True:
            time.sleep(pause)
            yield drop

    return answer


def test_an_endless_answer_ends_at_its_size(ask):
    with pytest.raises(OutboundFailed, match=r"127.0.0.1 sent more than 100000 bytes"):
        ask(endless, most=100_000)


def test_an_answer_may_be_exactly_as_large_as_it_may_be(ask):
    assert ask(always(answered(b"x" * 100)), most=100).body == b"x" * 100
    with pytest.raises(OutboundFailed, match="more than 99 bytes"):
        ask(always(answered(b"x" * 100)), most=99)


SLOW = {
    "silence": drip(b"", b"", 0.05),
    "a slow status": drip(b"HTTP/1.1 200 ", b"O"),
    "a slow header": drip(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "endless headers": drip(b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n"),
    "continue for ever": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a slow body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "a slow body without a length": drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "slow chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("slowness", SLOW)
def test_a_slow_answer_ends_at_its_deadline(ask, slowness):
    began = time.monotonic()

    with pytest.raises(OutboundFailed, match=r"127.0.0.1 took longer than 0.3 seconds"):
        ask(SLOW[slowness], seconds=0.3)

    assert 0.3 <= time.monotonic() - began < 1.5


def test_a_slow_handshake_ends_at_its_deadline(allow):
    with serving(drip(b"", b"")) as server:
        allow("127.0.0.1")
        with pytest.raises(OutboundFailed, match="took longer"):
            send(Call("GET", f"https://127.0.0.1:{server.port}/", seconds=0.3))


def test_a_slow_resolver_ends_at_the_deadline(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *about, **more: time.sleep(1))
    began = time.monotonic()

    with pytest.raises(OutboundFailed, match=r"slow.example took longer"):
        send(Call("GET", "https://slow.example/", seconds=0.2))

    assert time.monotonic() - began < 0.8


@pytest.mark.parametrize("status", ["200 OK", "302 Found"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "GZIP"])
def test_a_packed_answer_is_not_unpacked(ask, encoding, status):
    bomb = gzip.compress(bytes(10_000_000))
    packed = answered(bomb, status, Content_Encoding=encoding, Location="/x")

    with pytest.raises(OutboundFailed, match="packed"):
        ask(always(packed))


@pytest.mark.parametrize("broken", [b"", b"x", b"HTTP/1.1 x\r\n\r\n", OK[:-1]])
def test_a_broken_answer_is_none(ask, broken):
    with pytest.raises(OutboundFailed, match=r"could not be asked \(\w+\)") as failed:
        ask(always(broken))

    assert "secret" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_no_cookie_is_kept(allow):
    with serving(always(answered(b"", Set_Cookie="a=b; Path=/"))) as server:
        allow("127.0.0.1")
        for _ in range(2):
            send(Call("GET", f"http://127.0.0.1:{server.port}/"))

    assert not any("Cookie" in request for request in server.requests)


# What it does


def test_a_request_says_what_it_shall_and_the_answer_comes_whole(allow):
    with serving(always(OK)) as server:
        allow("127.0.0.1")
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        answer = send(Call("POST", f"http://127.0.0.1:{server.port}/a?b=c", headers, b'{"d": 1}'))

    assert (answer.status, answer.headers["x-kind"], answer.body) == (200, "good", b"ok")
    assert server.requests[0].startswith("POST /a?b=c HTTP/1.1\r\n")
    for line in ("Content-Type: application/json", "Content-Length: 8", "User-Agent: Gatehouse"):
        assert f"\r\n{line}\r\n" in server.requests[0]
    assert "Accept-Encoding: identity" in server.requests[0]
    assert "gzip" not in server.requests[0]


def test_the_next_address_is_tried_when_one_does_not_answer(names, allow):
    with serving(always(OK), "127.0.0.3") as server:
        names("sms.internal", ["127.0.0.2", "127.0.0.3"])
        allow("sms.internal")

        assert send(Call("GET", f"http://sms.internal:{server.port}/")).status == 200


def test_nobody_there_is_told_in_a_sentence(names, allow):
    allow("127.0.0.1", "nowhere.internal")
    names("nowhere.internal", [])
    with serving(always(OK)) as server:
        port = server.port

    for host in ("127.0.0.1", "nowhere.internal"):
        with pytest.raises(OutboundFailed, match=rf"^{host} could not be asked \(\w+\)\.$"):
            send(Call("GET", f"http://{host}:{port}/"))


def test_a_name_without_an_address_is_told_in_a_sentence(monkeypatch):
    def fail(*about, **more):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(OutboundFailed, match=r"^nowhere.example has no address\.$"):
        send(Call("GET", "https://nowhere.example/"))


def test_a_refusal_is_a_failure_so_that_one_clause_catches_both():
    assert issubclass(OutboundRefused, OutboundFailed)
