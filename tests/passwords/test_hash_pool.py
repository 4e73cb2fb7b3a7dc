"""How many passwords are hashed at once, and who waits."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from gatehouse.core.errors import ServiceBusy
from gatehouse.passwords import hash_pool as hash_queue
from gatehouse.passwords.hash_pool import NICENESS, WAITING, HashQueue
from models import Challenge
from tests.client import PASSWORD
from tests.rows import rows

MINE, THEIRS, THIRD = "192.0.2.0/24", "198.51.100.0/24", "2001:db8::/56"
SHARE = WAITING // 2
LOCAL = "127.0.0.0/24"


class Hall:
    """A queue of one slot that is held until `open()`; notes who was served, in order."""

    def __init__(self):
        self.queue = HashQueue(slots=1)
        self.served = []
        self.refused = []
        self._gate = threading.Event()
        self._crowd = ThreadPoolExecutor(WAITING * 3)
        self._held = threading.Event()
        self.enter("the slot", self._hold, waits=0)
        assert self._held.wait(5)

    def _hold(self):
        self._held.set()
        self._gate.wait(20)

    def enter(self, network, work=None, waits=1):
        """Queue up in the name of a network; return when it waits or was turned away."""
        before = len(self.queue) + len(self.refused)
        self._crowd.submit(self._wait, network, work or partial(self.served.append, network))
        while waits and len(self.queue) + len(self.refused) == before:
            pass

    def _wait(self, network, work):
        try:
            self.queue.run(network, work)
        except ServiceBusy:
            self.refused.append(network)

    def open(self):
        """Serve everybody who waits."""
        self._gate.set()
        self._crowd.shutdown()


@pytest.fixture
def hall():
    opened = Hall()
    yield opened
    opened.open()


@pytest.mark.requirement("AP-13")
def test_the_queue_is_bounded(hall):
    for _ in range(WAITING):
        hall.enter(MINE)

    with pytest.raises(ServiceBusy):
        hall.queue.run(MINE, hall.served.clear)

    hall.open()
    assert hall.served == [MINE] * WAITING


def test_whoever_holds_the_whole_queue_makes_room_for_others(hall):
    for _ in range(WAITING):
        hall.enter(MINE)

    for _ in range(SHARE):
        hall.enter(THEIRS)
    with pytest.raises(ServiceBusy):
        hall.queue.run(THEIRS, hall.served.clear)

    hall.open()
    assert hall.refused == [MINE] * SHARE
    assert sorted(hall.served) == [MINE] * SHARE + [THEIRS] * SHARE


def test_one_network_holds_half_of_it_at_most_while_others_wait(hall):
    hall.enter(THEIRS)
    for _ in range(SHARE):
        hall.enter(MINE)

    with pytest.raises(ServiceBusy):
        hall.queue.run(MINE, hall.served.clear)

    assert len(hall.queue) == SHARE + 1


def test_the_networks_are_served_in_turn(hall):
    for network in (MINE, MINE, MINE, THEIRS, THIRD, THEIRS):
        hall.enter(network)

    hall.open()

    assert hall.served == [MINE, THEIRS, THIRD, MINE, THEIRS, MINE]


def test_nobody_waits_longer_than_the_patience(hall, monkeypatch):
    monkeypatch.setattr(hash_queue, "PATIENCE", 0.05)

    with pytest.raises(ServiceBusy):
        hall.queue.run(MINE, hall.served.clear)

    hall.enter(THEIRS)  # who gave up no longer counts
    assert len(hall.queue) == 1


def test_what_the_work_raises_is_raised_where_it_was_asked_for(hall):
    hall.open()

    with pytest.raises(ZeroDivisionError):
        hall.queue.run(MINE, lambda: 1 // 0)

    assert hall.queue.run(MINE, lambda: "and the thread lives") == "and the thread lives"


def test_a_thread_outlives_whatever_a_library_raises():
    queue = HashQueue(slots=1)

    def panic():
        raise BaseException("as a panic of a library in Rust")

    with pytest.raises(BaseException, match="panic"):
        queue.run(MINE, panic)

    assert queue.run(MINE, lambda: "alive") == "alive"


def test_never_more_hashes_at_once_than_slots():
    queue, running, most = HashQueue(slots=2), [], []

    def hash_something():
        running.append(1)
        most.append(len(running))
        threading.Event().wait(0.01)
        running.pop()

    with ThreadPoolExecutor(12) as crowd:
        list(crowd.map(lambda n: queue.run(str(n), hash_something), range(12)))

    assert max(most) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells threads apart")
def test_hashing_stands_back_behind_answering():
    niceness = HashQueue(slots=1).run(MINE, lambda: os.getpriority(os.PRIO_PROCESS, 0))

    assert niceness == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


@pytest.mark.parametrize(("workers", "slots"), [(1, 4), (2, 2), (3, 1), (8, 1)])
def test_each_worker_gets_its_share_of_the_cores_and_at_least_one(app, monkeypatch, workers, slots):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    object.__setattr__(app.extensions["gatehouse.settings"], "workers", workers)

    hash_queue.set_up(app)

    assert app.extensions["gatehouse.hash_queue"].slots == slots


@pytest.mark.parametrize(("threads", "places"), [(2, 1), (16, 12), (32, 24), (128, 24)])
def test_some_threads_never_wait_for_a_hash(app, threads, places):
    object.__setattr__(app.extensions["gatehouse.settings"], "threads", threads)

    hash_queue.set_up(app)

    assert app.extensions["gatehouse.hash_queue"].places == places < threads


DOORS = [
    ("/auth/login", {"identifier": "nobody@example.com", "password": "wrong"}),
    ("/auth/register", {"email": "new@example.com", "password": "seven green lanterns"}),
    ("/auth/password/change", {"current_password": PASSWORD, "password": "seven green lanterns"}),
]


@pytest.mark.requirement("AP-13")
@pytest.mark.parametrize(("path", "form"), DOORS)
def test_a_full_queue_is_told_and_nothing_was_looked_at(app, client, make_user, hall, path, form):
    signed_in = client.as_(client.log_in(make_user()))
    app.extensions["gatehouse.hash_queue"] = hall.queue
    for _ in range(WAITING):
        hall.enter(LOCAL)

    answer = signed_in.post(path, form)

    assert (answer.status_code, answer.json["code"]) == (503, "service_busy")
    assert answer.headers["Retry-After"] == str(answer.json["retry_after"]) == "5"
    assert client.mailbox(to="new@example.com") == []
    assert signed_in.get("/auth/me").status_code == 200


def test_a_link_loses_no_guess_to_a_full_queue(app, client, hall):
    client.register("new@example.com")
    link = client.mailbox(to="new@example.com")[0]["variables"]["link"]
    app.extensions["gatehouse.hash_queue"] = hall.queue
    for _ in range(WAITING):
        hall.enter(LOCAL)

    form = {"token": link.partition("#")[2], "password": PASSWORD}
    answer = client.post("/auth/email/verify", form)

    assert (answer.status_code, answer.json["code"]) == (503, "service_busy")
    assert [row.attempts for row in rows(app, Challenge)] == [0]
