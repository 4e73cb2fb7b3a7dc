"""Raw HTTP over sockets: chunked, slow, incomplete, ambiguous and malformed requests."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from models import FailedAttemptCounter
from tests.client import User

TIMEOUT = 30.0  # seconds until a missing response counts as a hang
LIMIT = 64 * 1024
CREDENTIALS = json.dumps({"identifier": "nobody@example.com", "password": "wrong"}).encode()
CHUNKED = "Transfer-Encoding: chunked"


@dataclass
class RawResponses:
    """All bytes that the server sent until it closed the connection."""

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
    """Send parts 0.2 seconds apart; read until the server closes; raise on a timeout."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # the server closed early
            for number, part in enumerate(parts):
                time.sleep(0.2 if number else 0)
                connection.sendall(part)
        return RawResponses(b"".join(iter(lambda: _received(connection), b"")))


def _received(connection):
    with suppress(ConnectionResetError):
        return connection.recv(LIMIT)
    return b""


def request(server, line, *headers, body=b"", close=True):
    """Return a request; with `close`, the last one of its connection."""
    fixed = [f"Host: localhost:{server.port}", *(["Connection: close"] if close else [])]
    head = "\r\n".join([f"{line} HTTP/1.1", *fixed, *headers])
    return f"{head}\r\n\r\n".encode("latin-1") + body


def login(server, *headers, body=CREDENTIALS, close=True):
    """Return a login request with custom framing headers."""
    json_body = "Content-Type: application/json"
    return request(server, "POST /auth/login", json_body, *headers, body=body, close=close)


def chunks(body, size=1000):
    """Encode a body in chunks (RFC 9112 section 7.1)."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


def is_ready(server):
    """Return whether the server still handles requests."""
    return server.get("/health/ready").status_code == 200


@pytest.fixture(autouse=True)
def reset_lockout(server):
    """Delete the lockout counters of earlier tests: all tests share the server."""
    engine = sa.create_engine(server.environment["DATABASE_URL"], poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.delete(FailedAttemptCounter))


# Bodies without a length


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_chunked_body_is_read(server, size):
    response = send(server, login(server, CHUNKED, body=chunks(CREDENTIALS, size)))

    assert (response.status, response.code) == (401, "invalid_credentials")


def test_chunked_body_of_64_kibibytes_is_accepted(server):
    response = send(server, login(server, CHUNKED, body=chunks(CREDENTIALS.ljust(LIMIT))))

    assert (response.status, response.code) == (401, "invalid_credentials")


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize("size", [LIMIT + 1, 70_000, 10_000_000])
def test_chunked_body_over_64_kibibytes_is_rejected(server, size):
    body = chunks(CREDENTIALS.ljust(size), 60_000)

    response = send(server, login(server, CHUNKED, body=body))

    assert (response.status, response.code) == (413, "payload_too_large")


def test_content_length_over_the_limit_is_rejected_before_the_body_arrives(server):
    response = send(server, login(server, "Content-Length: 10000000", body=b""))

    assert (response.status, response.code) == (413, "payload_too_large")


def test_slow_body_is_read(server):
    head = login(server, f"Content-Length: {len(CREDENTIALS)}", body=b"")

    response = send(server, head, CREDENTIALS[:10], CREDENTIALS[10:])

    assert (response.status, response.code) == (401, "invalid_credentials")


@pytest.mark.parametrize("headers", [("Content-Length: 500",), (CHUNKED,)])
def test_incomplete_registration_changes_nothing(server, headers):
    body = json.dumps({"email": "half@example.com", "password": "seven green lanterns"}).encode()
    body = (
        chunks(body[:40])[:-5] if CHUNKED in headers else body
    )  # valid JSON, but shorter than announced
    kind = "Content-Type: application/json"
    before = server.log.read_text().count('"route": "/auth/register", "status": 400')

    half = request(server, "POST /auth/register", kind, *headers, body=body)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(half)  # and disconnect

    deadline = time.monotonic() + TIMEOUT
    while server.log.read_text().count('"route": "/auth/register", "status": 400') == before:
        assert time.monotonic() < deadline, "the request is not over"
        time.sleep(0.05)
    assert server.client.mailbox(to="half@example.com") == []
    assert is_ready(server)


def test_incomplete_heads_do_not_block_other_requests(server):
    head = login(server, "Content-Length: 500", body=b"")[:-2]

    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for connection in connections:
        connection.sendall(head)
    served = is_ready(server)
    for connection in connections:
        connection.close()

    assert served
    assert is_ready(server)


# Duplicate headers


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
def test_duplicate_header_is_rejected(server, header):
    response = send(server, request(server, "GET /auth/me", header, header))

    assert (response.status, response.code) == (400, "malformed_request")


@pytest.mark.requirement("AP-11")
@pytest.mark.parametrize("second", ["application/json", "text/plain"])
def test_duplicate_content_type_is_rejected(server, second):
    kinds = ("Content-Type: application/json", f"Content-Type: {second}")
    length = f"Content-Length: {len(CREDENTIALS)}"

    response = send(server, request(server, "POST /auth/login", *kinds, length, body=CREDENTIALS))

    assert (response.status, response.code) == (400, "malformed_request")


@pytest.mark.requirement("AP-11")
def test_header_with_an_underscore_is_not_the_one_with_a_hyphen(server):
    device = "X_Request_Id: spoofed"

    response = send(server, request(server, "GET /auth/me", "X-Request-Id: honest", device))

    assert b"x-request-id: honest\r\n" in response.raw.lower()


# Framing


@pytest.mark.requirement("AP-12")
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
def test_body_with_ambiguous_framing_is_rejected(server, headers):
    response = send(server, login(server, *headers))

    assert response.status == 400
    assert response.count == 1


def test_request_without_a_host_is_rejected(server):
    response = send(server, b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n")

    assert (response.status, response.code) == (400, "malformed_request")


@pytest.mark.requirement("AP-12")
@pytest.mark.parametrize("order", [1, -1])
def test_request_smuggling_with_length_and_chunks_is_prevented(server, order):
    """RFC 9112 section 6.3: chunks take precedence, and the connection is closed."""
    smuggled = request(server, "GET /health/live")
    framing = ["Content-Length: 5", CHUNKED][::order]

    response = send(server, login(server, *framing, body=chunks(b"") + smuggled, close=False))

    assert response.status == 422
    assert response.count == 1


@pytest.mark.requirement("AP-12")
@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("GET /health/live", [f"X-{n}: a" for n in range(200)], 431),
        ("GET /health/live", ["X-Long: " + "a" * 1_000_000], 431),
        ("GET /" + "a" * 70_000, [], 414),
    ],
    ids=["many headers", "a long header", "a long URL"],
)
def test_oversized_head_is_rejected(server, line, headers, status):
    assert send(server, request(server, line, *headers)).status == status


def test_non_http_bytes_are_rejected(server):
    client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)

    assert send(server, client_hello).status == 400
    assert is_ready(server)


@pytest.mark.requirement("AP-13")
def test_two_hundred_incomplete_bodies_do_not_block_other_requests(server):
    user = server.client.sign_up(User("user@example.com"))
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
    assert took < TIMEOUT
