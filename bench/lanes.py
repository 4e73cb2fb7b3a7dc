"""Work that is done over and over in parallel lanes, and timed while all of them are at it."""

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

CORES = os.cpu_count() or 1
WARM_UP = 1.0  # seconds, in which lanes start and connect

Work = Callable[[], object]
MakeWork = Callable[[int], Work]
"""Given the number of a lane, returns what that lane repeats; called in the lane itself."""


@dataclass(frozen=True)
class Measurement:
    """How often something was done in a second, and how long it took: milliseconds."""

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Window:
    """The moments, on the monotonic clock, between which finished work counts."""

    start: float
    end: float


def measure(make_work: MakeWork, lanes: int, seconds: float) -> Measurement:
    """Time the work of all lanes, which a process for each core shares.

    What counts is finished inside a window that begins after the lanes and ends before they do, so
    that work in progress at its ends is neither lost nor counted twice.
    """
    start = time.monotonic() + WARM_UP
    window = Window(start, start + seconds)
    processes = min(CORES, lanes)
    shares = [range(first, lanes, processes) for first in range(processes)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        parts = pool.map(partial(_share, make_work, window), shares)
        return summary([took for part in parts for took in part], seconds)


def summary(took: list[float], seconds: float) -> Measurement:
    """Return rate and percentiles of durations in seconds."""
    if not took:
        raise RuntimeError(f"nothing was finished in {seconds} seconds")
    ordered = sorted(took)
    p50, p99 = (ordered[int((len(ordered) - 1) * part)] * 1000 for part in (0.5, 0.99))
    return Measurement(len(took) / seconds, p50, p99)


def _share(make_work: MakeWork, window: Window, lanes: range) -> list[float]:
    with ThreadPoolExecutor(len(lanes)) as threads:
        parts = threads.map(partial(_lane, make_work, window), lanes)
        return [took for part in parts for took in part]


def _lane(make_work: MakeWork, window: Window, lane: int) -> list[float]:
    work, counted = make_work(lane), []
    while (begun := time.monotonic()) < window.end:
        work()
        finished = time.monotonic()
        if window.start <= finished < window.end:
            counted.append(finished - begun)
    return counted
