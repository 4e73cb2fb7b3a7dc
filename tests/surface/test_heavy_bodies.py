"""What would cost much costs its sender's line only: nobody else waits for it."""

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


def send(server, path, body, **headers):
    """Return the status and code of the answer; nothing where the server had hung up."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(server.url + path, data=body, headers=JSON | headers, timeout=60)
        except requests.ConnectionError:  # it was answered while it still sent
            return None
    return answer.status_code, answer.json()["code"]


@pytest.mark.requirement("AP-13")
@pytest.mark.parametrize(
    ("body", "refused"),
    [(HEAVY, (413, "payload_too_large")), (LONG, (422, "validation_failed"))],
    ids=["10 MB", "60 kB"],
)
def test_fifty_endless_passwords_at_once_are_refused_and_others_log_in(server, body, refused):
    calm = server.client.sign_up(User(f"calm{len(body)}@example.com"))
    ready = threading.Barrier(SENDERS + 1)

    def flood():
        ready.wait(timeout=60)
        return send(server, "/auth/login", body)

    with ThreadPoolExecutor(SENDERS) as pool:
        answers = [pool.submit(flood) for _ in range(SENDERS)]
        ready.wait(timeout=60)
        logins = [server.client.log_in(calm)["status"] for _ in range(5)]

    assert {answer.result() for answer in answers} <= {refused, None}
    assert logins == ["authenticated"] * 5
    assert server.get("/health/ready").status_code == 200


@pytest.mark.requirement("AP-13")
def test_what_is_packed_is_not_unpacked(server):
    bomb = gzip.compress(HEAVY)

    answer = send(server, "/auth/login", bomb, **{"Content-Encoding": "gzip"})

    assert answer == (400, "malformed_json")
