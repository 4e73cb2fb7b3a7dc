"""A slow hook before logins does not keep a server from answering others."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from tests.client import PASSWORD, Client
from tests.parallel import run_in_parallel


@pytest.fixture
def hanging_hook(app, receiver, create_hook, make_user):
    """A hook that does not answer before the test is over."""
    for number in range(20):
        make_user(email=f"user{number}@example.com")
    receiver.answer = receiver.wait
    create_hook("before_login", "allow")
    return receiver


def test_server_answers_others_while_twenty_logins_wait_for_a_slow_hook(hanging_hook, live):
    """Each login waits 0.3 s at most; without a limit, all threads would wait for the receiver."""
    done = threading.Event()
    answered = []

    def log_in(number):
        form = {"identifier": f"user{number}@example.com", "password": PASSWORD}
        return Client(live.new_connection).post("/auth/login", form).status_code

    def read_others():
        client = Client(live.new_connection)
        while not done.is_set():
            answered.append(client.get("/.well-known/jwks.json").status_code)
            done.wait(0.05)

    reader = threading.Thread(target=read_others)
    reader.start()
    statuses = run_in_parallel(*[partial(log_in, number) for number in range(20)])
    done.set()
    reader.join(60)

    assert statuses == [200] * 20
    assert answered
    assert set(answered) == {200}
    assert not hanging_hook.released.is_set()
