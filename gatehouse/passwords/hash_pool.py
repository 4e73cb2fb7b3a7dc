"""Thread pool for password hashing, with a bounded queue that is fair between client networks.

A hash takes a quarter of a second of a core. Each worker process has a few threads only for
hashing, as many as its share of the cores and at a lower priority than the request threads.
Requests wait for them in a queue that serves the waiting IP prefixes in turn. So a flood of logins
delays its own network and leaves cores and request threads to signed-in users.
"""

import os
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar, cast

from flask import Flask, current_app

import config
from gatehouse.core import metrics
from gatehouse.core.errors import ServiceBusy

MAX_WAITING = 24
"""Most requests that wait in one worker; never more than three quarters of its threads."""
WAIT_TIMEOUT = 10.0
"""Seconds that a request waits at most."""
THREAD_NICENESS = 10
"""Nice value of the hashing threads, on systems with priorities per thread (Linux)."""

Result = TypeVar("Result")
Job = tuple["Future[Any]", Callable[[], Any]]


class HashPool:
    """Runs hashing jobs in a few threads.

    One IP prefix may fill at most half of the queue while others wait.
    """

    def __init__(self, threads: int, max_waiting: int = MAX_WAITING) -> None:
        self.threads = threads
        self.max_waiting = max_waiting
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._started = False

    def __len__(self) -> int:
        """Return the number of waiting jobs."""
        return sum(map(len, self._waiting.values()))

    def run_job(self, ip_prefix: str, work: Callable[[], Result]) -> Result:
        """Run a job in a hashing thread; return its result or raise its exception.

        Raises:
            ServiceBusy: the queue or the prefix's share of it is full, or WAIT_TIMEOUT passed.
        """
        future: Future[Result] = Future()
        work = partial(copy_context().run, work)  # the threads have no application context
        with self._changed:
            self._start()
            self._admit(ip_prefix)
            self._waiting.setdefault(ip_prefix, deque()).append((future, work))
            metrics.HASHES_WAITING.set(len(self))
            self._changed.notify()
        try:
            return future.result(WAIT_TIMEOUT)
        except TimeoutError:
            if future.cancel():
                raise ServiceBusy from None
            return future.result(WAIT_TIMEOUT)  # it has just started

    def _admit(self, ip_prefix: str) -> None:
        """Return if one more job of a prefix may wait.

        When the queue is full, the newest job of the prefix with the most jobs is dropped for a
        prefix with fewer.

        Raises:
            ServiceBusy: the queue, or the prefix's share of it, is full.
        """
        self._drop_cancelled()
        own, total = len(self._waiting.get(ip_prefix, ())), len(self)
        if own >= self.max_waiting // 2 and own < total:
            raise ServiceBusy
        if total < self.max_waiting:
            return
        longest = max(self._waiting.values(), key=len)
        if len(longest) <= own + 1:
            raise ServiceBusy
        future, _ = longest.pop()  # the newest
        if future.set_running_or_notify_cancel():
            future.set_exception(ServiceBusy())

    def _drop_cancelled(self) -> None:
        for ip_prefix, jobs in list(self._waiting.items()):
            active = deque(job for job in jobs if not job[0].cancelled())
            self._waiting[ip_prefix] = active
            if not active:
                del self._waiting[ip_prefix]

    def _next_job(self) -> Job:
        """Wait for a job; take the oldest one of the prefix that was served longest ago."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            ip_prefix, jobs = self._waiting.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._waiting[ip_prefix] = jobs  # behind the others
            metrics.HASHES_WAITING.set(len(self))
            return job

    def _start(self) -> None:
        """Start the threads at the first job, not before: threads do not survive a fork."""
        if self._started:
            return
        self._started = True
        for number in range(self.threads):
            threading.Thread(target=self._work, name=f"hash-{number}", daemon=True).start()

    def _work(self) -> None:
        _lower_priority()
        while True:
            future, work = self._next_job()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                with metrics.HASH_SECONDS.time():  # without the waiting time
                    result = work()
                future.set_result(result)
            except BaseException as error:  # raised in the waiting request; the thread must go on
                future.set_exception(error)


def set_up(app: Flask) -> None:
    """Create the pool of this worker: its share of the cores, at least one thread.

    The queue is shorter than the number of request threads, so that some never wait for a hash.
    """
    settings = config.settings_of(app)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = max(1, (cores or 1) // settings.workers)
    max_waiting = min(MAX_WAITING, max(1, settings.threads * 3 // 4))
    app.extensions["gatehouse.hash_pool"] = HashPool(threads, max_waiting)


def hash_pool() -> HashPool:
    """Return the hash pool of this worker."""
    return cast(HashPool, current_app.extensions["gatehouse.hash_pool"])


def _lower_priority() -> None:
    """Lower the priority of this thread; on Linux `nice` applies to a thread, not its process."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        os.nice(THREAD_NICENESS)
