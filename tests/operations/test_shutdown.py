"""Shutdown: a server finishes the requests that it has begun."""

import json
import socket

import pytest

from tests.client import User


@pytest.mark.requirement("LG-09")
@pytest.mark.cold_start
def test_shutdown_finishes_a_login_that_has_begun(live):
    user = live.client.sign_up(User("ada@example.com"))
    body = json.dumps({"identifier": user.email, "password": user.password}).encode()
    head = (
        f"POST /auth/login HTTP/1.1\r\nHost: localhost:{live.port}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", live.port), timeout=60) as connection:
        connection.sendall(head.encode())
        interim = connection.recv(1000)  # the server waits for the body
        live.process.terminate()
        connection.sendall(body)
        response = b"".join(iter(lambda: connection.recv(65_536), b""))
    live.process.wait(60)

    assert interim.startswith(b"HTTP/1.1 100 ")
    assert response.startswith(b"HTTP/1.1 200 ")
    assert json.loads(response.partition(b"\r\n\r\n")[2])["status"] == "authenticated"
    assert live.process.returncode == 0
