"""A server that is told to end finishes what it has begun."""

import json
import socket

import pytest

from tests.client import User


@pytest.mark.cold_start
def test_a_login_that_was_begun_is_finished_when_the_server_is_told_to_end(live):
    user = live.client.sign_up(User("ada@example.com"))
    body = json.dumps({"identifier": user.email, "password": user.password}).encode()
    head = (
        f"POST /auth/login HTTP/1.1\r\nHost: localhost:{live.port}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", live.port), timeout=15) as connection:
        connection.sendall(head.encode())
        begun = connection.recv(1000)  # somebody waits for the body: the request is being served
        live.process.terminate()
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    live.process.wait(30)

    assert begun.startswith(b"HTTP/1.1 100 ")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == "authenticated"
    assert live.process.returncode == 0
