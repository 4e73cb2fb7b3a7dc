"""Oversized and compressed bodies: rejected cheaply, without delaying other requests."""

from __future__ import annotations

import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.client import User

SENDERS = 50
HEAVY = json.dumps({"identifier": "ada@example.com", "password": "x" * 10_000_000}).encode()
LONG = json.dumps({"identifier": "ada@example.com", "password": "x" * 60_000}).encode()
JSON = {"Content-Type": "application/json"}


def post_body(server, path, body, **headers):
    """Return status and code of the response; None if the server closed the connection."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            response = session.post(
                server.url + path, data=body, headers=JSON | headers, timeout=60
            )
        except requests.ConnectionError:  # the server responded before it had read all
            return None
    return response.status_code, response.json()["code"]


@pytest.mark.requirement("AP-13")
@pytest.mark.parametrize(
    ("body", "rejected"),
    [(HEAVY, (413, "payload_too_large")), (LONG, (422, "validation_failed"))],
    ids=["10 MB", "60 kB"],
)
def test_fifty_parallel_oversized_passwords_do_not_block_other_logins(server, body, rejected):
    user = server.client.sign_up(User(f"user{len(body)}@example.com"))
    ready = threading.Barrier(SENDERS + 1)

    def send_heavy_body():
        ready.wait(timeout=60)
        return post_body(server, "/auth/login", body)

    with ThreadPoolExecutor(SENDERS) as pool:
        responses = [pool.submit(send_heavy_body) for _ in range(SENDERS)]
        ready.wait(timeout=60)
        logins = [server.client.log_in(user)["status"] for _ in range(5)]

    assert {response.result() for response in responses} <= {rejected, None}
    assert logins == ["authenticated"] * 5
    assert server.get("/health/ready").status_code == 200


@pytest.mark.requirement("AP-13")
def test_compressed_body_is_not_decompressed(server):
    compressed = gzip.compress(HEAVY)

    response = post_body(server, "/auth/login", compressed, **{"Content-Encoding": "gzip"})

    assert response == (415, "unsupported_media_type")
