"""What no HTTP library would send: the server refuses it, reads it whole, and goes on."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from models import GuessCounter
from tests.client import User

PATIENCE = 5.0  # seconds until an answer that does not come is a hang
LIMIT = 64 * 1024
CREDENTIALS = json.dumps({"identifier": "nobody@example.com", "password": "wrong"}).encode()
CHUNKED = "Transfer-Encoding: chunked"


@dataclass
class Answers:
    """Everything that came back until the server closed the connection."""

    raw: bytes

    @property
    def count(self) -> int:
        return self.raw.count(b"HTTP/1.1 ")

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def code(self) -> str:
        code: str = json.loads(self.raw.partition(b"\r\n\r\n")[2])["code"]
        return code


def send(server, *parts):
    """Send bytes, a moment apart, and read until the server closes; a server that hangs raises."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it had heard enough
            for number, part in enumerate(parts):
                time.sleep(0.2 if number else 0)
                connection.sendall(part)
        return Answers(b"".join(iter(lambda: _received(connection), b"")))


def _received(connection):
    with suppress(ConnectionResetError):
        return connection.recv(LIMIT)
    return b""


def request(server, line, *headers, body=b"", close=True):
    """Write a request; the last one of its connection, unless told otherwise."""
    fixed = [f"Host: localhost:{server.port}", *(["Connection: close"] if close else [])]
    head = "\r\n".join([f"{line} HTTP/1.1", *fixed, *headers])
    return f"{head}\r\n\r\n".encode("latin-1") + body


def login(server, *headers, body=CREDENTIALS, close=True):
    """Write a login with framing of one's own."""
    json_body = "Content-Type: application/json"
    return request(server, "POST /auth/login", json_body, *headers, body=body, close=close)


def chunks(body, size=1000):
    """Write a body in chunks (RFC 9112 section 7.1)."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


def is_well(server):
    """Tell whether the server serves others."""
    return server.get("/health/ready").status_code == 200


@pytest.fixture(autouse=True)
def rested(server):
    """Let no test wait for the guesses of the tests before it: they share the server."""
    engine = sa.create_engine(server.environment["DATABASE_URL"], poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.delete(GuessCounter))


# Bodies without a length


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_chunked_body_is_read(server, size):
    answer = send(server, login(server, CHUNKED, body=chunks(CREDENTIALS, size)))

    assert (answer.status, answer.code) == (401, "invalid_credentials")


def test_a_chunked_body_may_have_64_kibibytes(server):
    answer = send(server, login(server, CHUNKED, body=chunks(CREDENTIALS.ljust(LIMIT))))

    assert (answer.status, answer.code) == (401, "invalid_credentials")


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize("size", [LIMIT + 1, 70_000, 10_000_000])
def test_a_larger_chunked_body_is_refused_and_not_cut(server, size):
    body = chunks(CREDENTIALS.ljust(size), 60_000)

    answer = send(server, login(server, CHUNKED, body=body))

    assert (answer.status, answer.code) == (413, "payload_too_large")


def test_a_length_over_the_limit_is_refused_before_the_body_arrives(server):
    answer = send(server, login(server, "Content-Length: 10000000", body=b""))

    assert (answer.status, answer.code) == (413, "payload_too_large")


def test_a_slow_body_is_waited_for(server):
    head = login(server, f"Content-Length: {len(CREDENTIALS)}", body=b"")

    answer = send(server, head, CREDENTIALS[:10], CREDENTIALS[10:])

    assert (answer.status, answer.code) == (401, "invalid_credentials")


@pytest.mark.parametrize("headers", [("Content-Length: 500",), (CHUNKED,)])
def test_a_registration_that_was_sent_half_changes_nothing(server, headers):
    body = json.dumps({"email": "half@example.com", "password": "seven green lanterns"}).encode()
    body = chunks(body[:40])[:-5] if CHUNKED in headers else body  # whole JSON, but not all of it
    kind = "Content-Type: application/json"
    before = server.log.read_text().count('"route": "/auth/register", "status": 400')

    half = request(server, "POST /auth/register", kind, *headers, body=body)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(half)  # and the sender goes away

    deadline = time.monotonic() + PATIENCE
    while server.log.read_text().count('"route": "/auth/register", "status": 400') == before:
        assert time.monotonic() < deadline, "the request is not over"
        time.sleep(0.05)
    assert server.client.mailbox(to="half@example.com") == []
    assert is_well(server)


def test_many_half_sent_heads_disturb_nobody(server):
    head = login(server, "Content-Length: 500", body=b"")[:-2]

    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for connection in connections:
        connection.sendall(head)
    served = is_well(server)
    for connection in connections:
        connection.close()

    assert served
    assert is_well(server)


# Headers that stand twice


@pytest.mark.requirement("AP-11")
@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer token",
        "Host: localhost",
        "Origin: http://localhost",
        "X-Request-Id: one",
    ],
)
def test_a_header_that_must_be_single_is_refused_when_it_stands_twice(server, header):
    answer = send(server, request(server, "GET /auth/me", header, header))

    assert (answer.status, answer.code) == (400, "malformed_request")


@pytest.mark.requirement("AP-11")
@pytest.mark.parametrize("second", ["application/json", "text/plain"])
def test_two_media_types_are_refused(server, second):
    kinds = ("Content-Type: application/json", f"Content-Type: {second}")
    length = f"Content-Length: {len(CREDENTIALS)}"

    answer = send(server, request(server, "POST /auth/login", *kinds, length, body=CREDENTIALS))

    assert (answer.status, answer.code) == (400, "malformed_request")


@pytest.mark.requirement("AP-11")
def test_a_name_with_an_underscore_is_not_the_one_with_a_hyphen(server):
    device = "X_Request_Id: spoofed"

    answer = send(server, request(server, "GET /auth/me", "X-Request-Id: honest", device))

    assert b"x-request-id: honest\r\n" in answer.raw.lower()


# Framing


@pytest.mark.parametrize(
    "headers",
    [
        (f"Content-Length: {len(CREDENTIALS)}", "Content-Length: 5"),
        (f"Content-Length: {len(CREDENTIALS)}, {len(CREDENTIALS)}",),
        (f"Content-Length: +{len(CREDENTIALS)}",),
        ("Content-Length: -1",),
        ("Content-Length: 0x10",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("X-Note: one\r\n folded",),  # obs-fold, RFC 9112 section 5.2
        ("X-Note: one\rX-More: two",),
        ("X-Note: one\0two",),
    ],
)
def test_a_body_whose_end_is_unclear_is_refused_at_once(server, headers):
    answer = send(server, login(server, *headers))

    assert answer.status == 400
    assert answer.count == 1


@pytest.mark.requirement("AP-12")
def test_a_request_without_a_host_is_refused(server):
    answer = send(server, b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n")

    assert (answer.status, answer.code) == (400, "malformed_request")


@pytest.mark.parametrize("order", [1, -1])
def test_nothing_can_be_smuggled_between_a_length_and_chunks(server, order):
    """RFC 9112 section 6.3: the chunks decide, and the connection ends with the answer."""
    smuggled = request(server, "GET /health/live")
    framing = ["Content-Length: 5", CHUNKED][::order]

    answer = send(server, login(server, *framing, body=chunks(b"") + smuggled, close=False))

    assert answer.status == 422
    assert answer.count == 1


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("GET /health/live", [f"X-{n}: a" for n in range(200)], 431),
        ("GET /health/live", ["X-Long: " + "a" * 1_000_000], 431),
        ("GET /" + "a" * 70_000, [], 414),
    ],
    ids=["many headers", "a long header", "a long address"],
)
def test_a_head_without_end_is_refused(server, line, headers, status):
    assert send(server, request(server, line, *headers)).status == status


def test_what_is_not_http_is_refused(server):
    client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)

    assert send(server, client_hello).status == 400
    assert is_well(server)


@pytest.mark.requirement("AP-13")
def test_two_hundred_half_sent_bodies_take_no_thread_from_anybody(server):
    user = server.client.sign_up(User("calm@example.com"))
    signed_in = server.client.as_(server.client.log_in(user))
    half = login(server, f"Content-Length: {len(CREDENTIALS)}", body=CREDENTIALS[:9])

    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    for connection in connections:
        connection.sendall(half)
    begun = time.monotonic()
    passes = [signed_in.get("/gateway/verify").status_code for _ in range(20)]
    reads = [signed_in.get("/auth/me").status_code for _ in range(20)]
    took = time.monotonic() - begun
    for connection in connections:
        connection.close()

    assert (passes, reads) == ([200] * 20, [200] * 20)
    assert took < PATIENCE
