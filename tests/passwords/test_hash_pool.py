"""The hash pool: number of threads, bounds and fairness of its queue."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from gatehouse.core.errors import ServiceBusy
from gatehouse.passwords import hash_pool
from gatehouse.passwords.hash_pool import MAX_WAITING, THREAD_NICENESS, HashPool
from models import OneTimeCode
from tests.client import PASSWORD
from tests.polling import wait_until
from tests.rows import rows

NETWORK_A, NETWORK_B, NETWORK_C = "192.0.2.0/24", "198.51.100.0/24", "2001:db8::/56"
HALF = MAX_WAITING // 2
LOCAL = "127.0.0.0/24"


class BlockedPool:
    """A pool of one thread that is blocked until `unblock()`; records who was served, in order."""

    def __init__(self):
        self.pool = HashPool(threads=1)
        self.served = []
        self.rejected = []
        self._unblocked = threading.Event()
        self._clients = ThreadPoolExecutor(MAX_WAITING * 3)
        self._blocked = threading.Event()
        self._clients.submit(self._run, "blocker", self._block)
        assert self._blocked.wait(30)

    def _block(self):
        self._blocked.set()
        self._unblocked.wait(60)

    def add_job(self, network):
        """Add a job of a network; return when it waits or was rejected."""
        before = len(self.pool) + len(self.rejected)
        self._clients.submit(self._run, network, partial(self.served.append, network))
        wait_until(lambda: len(self.pool) + len(self.rejected) != before)

    def _run(self, network, work):
        try:
            self.pool.run_job(network, work)
        except ServiceBusy:
            self.rejected.append(network)

    def unblock(self):
        """Run all jobs."""
        self._unblocked.set()
        self._clients.shutdown()


@pytest.fixture
def blocked():
    pool = BlockedPool()
    yield pool
    pool.unblock()


@pytest.mark.requirement("AP-13")
def test_queue_is_bounded(blocked):
    for _ in range(MAX_WAITING):
        blocked.add_job(NETWORK_A)

    with pytest.raises(ServiceBusy):
        blocked.pool.run_job(NETWORK_A, blocked.served.clear)

    blocked.unblock()
    assert blocked.served == [NETWORK_A] * MAX_WAITING


def test_queue_filled_by_one_network_drops_its_jobs_for_others(blocked):
    for _ in range(MAX_WAITING):
        blocked.add_job(NETWORK_A)

    for _ in range(HALF):
        blocked.add_job(NETWORK_B)
    with pytest.raises(ServiceBusy):
        blocked.pool.run_job(NETWORK_B, blocked.served.clear)

    blocked.unblock()
    assert blocked.rejected == [NETWORK_A] * HALF
    assert sorted(blocked.served) == [NETWORK_A] * HALF + [NETWORK_B] * HALF


def test_queue_has_at_most_half_of_its_jobs_from_one_network_while_others_wait(blocked):
    blocked.add_job(NETWORK_B)
    for _ in range(HALF):
        blocked.add_job(NETWORK_A)

    with pytest.raises(ServiceBusy):
        blocked.pool.run_job(NETWORK_A, blocked.served.clear)

    assert len(blocked.pool) == HALF + 1


def test_queue_serves_the_networks_in_turn(blocked):
    for network in (NETWORK_A, NETWORK_A, NETWORK_A, NETWORK_B, NETWORK_C, NETWORK_B):
        blocked.add_job(network)

    blocked.unblock()

    assert blocked.served == [NETWORK_A, NETWORK_B, NETWORK_C, NETWORK_A, NETWORK_B, NETWORK_A]


def test_job_waits_no_longer_than_the_timeout(blocked, monkeypatch):
    monkeypatch.setattr(hash_pool, "WAIT_TIMEOUT", 0.05)

    with pytest.raises(ServiceBusy):
        blocked.pool.run_job(NETWORK_A, blocked.served.clear)

    blocked.add_job(NETWORK_B)  # the job that timed out no longer counts
    assert len(blocked.pool) == 1


def test_job_exception_is_raised_in_the_caller(blocked):
    blocked.unblock()

    with pytest.raises(ZeroDivisionError):
        blocked.pool.run_job(NETWORK_A, lambda: 1 // 0)

    assert blocked.pool.run_job(NETWORK_A, lambda: "alive") == "alive"


def test_job_exception_of_any_kind_does_not_end_the_thread():
    pool = HashPool(threads=1)

    def panic():
        raise BaseException("like a panic of a library in Rust")

    with pytest.raises(BaseException, match="panic"):
        pool.run_job(NETWORK_A, panic)

    assert pool.run_job(NETWORK_A, lambda: "alive") == "alive"


def test_pool_runs_no_more_jobs_in_parallel_than_it_has_threads():
    pool, running, counts = HashPool(threads=2), [], []

    def hash_something():
        running.append(1)
        counts.append(len(running))
        threading.Event().wait(0.01)
        running.pop()

    with ThreadPoolExecutor(12) as clients:
        list(clients.map(lambda n: pool.run_job(str(n), hash_something), range(12)))

    assert max(counts) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities per thread")
def test_pool_threads_have_a_lower_priority():
    niceness = HashPool(threads=1).run_job(NETWORK_A, lambda: os.getpriority(os.PRIO_PROCESS, 0))

    assert niceness == min(19, os.getpriority(os.PRIO_PROCESS, 0) + THREAD_NICENESS)


@pytest.mark.parametrize(("workers", "threads"), [(1, 4), (2, 2), (3, 1), (8, 1)])
def test_pool_has_the_workers_share_of_the_cores_and_at_least_one_thread(
    app, monkeypatch, workers, threads
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    object.__setattr__(app.extensions["gatehouse.settings"], "workers", workers)

    hash_pool.set_up(app)

    assert app.extensions["gatehouse.hash_pool"].threads == threads


@pytest.mark.parametrize(("threads", "max_waiting"), [(2, 1), (16, 12), (32, 24), (128, 24)])
def test_queue_is_shorter_than_the_number_of_request_threads(app, threads, max_waiting):
    object.__setattr__(app.extensions["gatehouse.settings"], "threads", threads)

    hash_pool.set_up(app)

    assert app.extensions["gatehouse.hash_pool"].max_waiting == max_waiting < threads


PASSWORD_ROUTES = [
    ("/auth/login", {"identifier": "unknown@example.com", "password": "wrong"}),
    ("/auth/register", {"email": "new@example.com", "password": "seven green lanterns"}),
    ("/auth/password/change", {"current_password": PASSWORD, "password": "seven green lanterns"}),
]


@pytest.mark.requirement("AP-13")
@pytest.mark.parametrize(("path", "form"), PASSWORD_ROUTES)
def test_full_queue_is_a_503_on_every_route_and_nothing_is_evaluated(
    app, client, make_user, blocked, path, form
):
    signed_in = client.as_(client.log_in(make_user()))
    app.extensions["gatehouse.hash_pool"] = blocked.pool
    for _ in range(MAX_WAITING):
        blocked.add_job(LOCAL)

    response = signed_in.post(path, form)

    assert (response.status_code, response.json["code"]) == (503, "service_busy")
    assert response.headers["Retry-After"] == str(response.json["retry_after"]) == "5"
    assert client.mailbox(to="new@example.com") == []
    assert signed_in.get("/auth/me").status_code == 200


def test_full_queue_costs_a_link_no_attempt(app, client, blocked):
    client.register("new@example.com")
    link = client.mailbox(to="new@example.com")[0]["variables"]["link"]
    app.extensions["gatehouse.hash_pool"] = blocked.pool
    for _ in range(MAX_WAITING):
        blocked.add_job(LOCAL)

    form = {"token": link.partition("#")[2], "password": PASSWORD}
    response = client.post("/auth/email/verify", form)

    assert (response.status_code, response.json["code"]) == (503, "service_busy")
    assert [row.attempts for row in rows(app, OneTimeCode)] == [0]
