"""The queue for the cores: how many passwords are hashed at once, and who waits how long.

A hash takes a quarter of a second of a core. Each worker has a few threads that do nothing else,
as many as its share of the cores and at a lower priority than those that answer; requests wait for
them in a bounded queue that serves the waiting networks in turn. So a flood of logins costs those
who flood, and leaves the cores and the threads to people who are signed in already.
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

WAITING = 24
"""Requests that wait in one worker at most; never more than three quarters of its threads."""
PATIENCE = 10.0
"""Seconds after which nobody waits any longer."""
NICENESS = 10
"""How far hashing stands back behind answering, where the system can tell threads apart."""

Result = TypeVar("Result")
Job = tuple["Future[Any]", Callable[[], Any]]


class HashQueue:
    """Lends a few threads to those who have something to hash.

    While others wait, half of the places are the most that one network holds.
    """

    def __init__(self, slots: int, places: int = WAITING) -> None:
        self.slots = slots
        self.places = places
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._started = False

    def __len__(self) -> int:
        """Count those who wait."""
        return sum(map(len, self._waiting.values()))

    def run(self, network: str, work: Callable[[], Result]) -> Result:
        """Do the work when its turn comes, and return what it returns or raise what it raises.

        Raises:
            ServiceBusy: the queue is full, the network's share of it is, or the turn never came.
        """
        future: Future[Result] = Future()
        work = partial(copy_context().run, work)  # the threads know no application of their own
        with self._changed:
            self._start()
            self._admit(network)
            self._waiting.setdefault(network, deque()).append((future, work))
            metrics.HASHES_WAITING.set(len(self))
            self._changed.notify()
        try:
            return future.result(PATIENCE)
        except TimeoutError:
            if future.cancel():
                raise ServiceBusy from None
            return future.result(PATIENCE)  # its turn came at the last moment

    def _admit(self, network: str) -> None:
        """Return if there is room; the network that holds most makes some for one that holds less.

        Raises:
            ServiceBusy: there is none.
        """
        self._drop_cancelled()
        mine, everyone = len(self._waiting.get(network, ())), len(self)
        if mine >= self.places // 2 and mine < everyone:
            raise ServiceBusy
        if everyone < self.places:
            return
        most = max(self._waiting.values(), key=len)
        if len(most) <= mine + 1:
            raise ServiceBusy
        future, _ = most.pop()  # who came last
        if future.set_running_or_notify_cancel():
            future.set_exception(ServiceBusy())

    def _drop_cancelled(self) -> None:
        for network, jobs in list(self._waiting.items()):
            alive = deque(job for job in jobs if not job[0].cancelled())
            self._waiting[network] = alive
            if not alive:
                del self._waiting[network]

    def _next(self) -> Job:
        """Take the first job of the network that was served longest ago."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            network, jobs = self._waiting.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._waiting[network] = jobs  # behind the others
            metrics.HASHES_WAITING.set(len(self))
            return job

    def _start(self) -> None:
        """Start the threads once, in the process that hashes: no thread survives a fork."""
        if self._started:
            return
        self._started = True
        for number in range(self.slots):
            threading.Thread(target=self._work, name=f"hash-{number}", daemon=True).start()

    def _work(self) -> None:
        _stand_back()
        while True:
            future, work = self._next()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                with metrics.HASH_SECONDS.time():  # what it takes, not what it waits
                    result = work()
                future.set_result(result)
            except BaseException as error:  # whoever waits gets it: a thread must not end
                future.set_exception(error)


def set_up(app: Flask) -> None:
    """Give a worker its share of the cores, and at least one; some threads never wait for it."""
    settings = config.settings_of(app)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    slots = max(1, (cores or 1) // settings.workers)
    places = min(WAITING, max(1, settings.threads * 3 // 4))
    app.extensions["gatehouse.hash_queue"] = HashQueue(slots, places)


def queue() -> HashQueue:
    """Return the queue of this worker."""
    return cast(HashQueue, current_app.extensions["gatehouse.hash_queue"])


def _stand_back() -> None:
    """Lower the priority of this thread: on Linux `nice` means a thread, not its process."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        os.nice(NICENESS)
