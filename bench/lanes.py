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


@dataclass(frozen=True, order=True)
class Piece:
    """A piece of work that was done: when it was finished, on the same clock, and its seconds."""

    finished: float
    took: float


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
        return summary([piece for part in parts for piece in part])


def summary(pieces: list[Piece], cores: int = CORES) -> Measurement:
    """Return the rate and the percentiles of what was done.

    The rate is that from the first end of a piece to another one, as many pieces later as makes a
    whole number for each core. A window would cut pieces at both its ends, and count 16 or 17 of
    them where a core can do 16.6.
    """
    ends = [piece.finished for piece in sorted(pieces)]
    counted = (len(ends) - 1) // cores * cores
    if counted < 1:
        raise RuntimeError("too little was finished to tell how fast")
    ordered = sorted(piece.took for piece in pieces)
    p50, p99 = (ordered[int((len(ordered) - 1) * part)] * 1000 for part in (0.5, 0.99))
    return Measurement(counted / (ends[counted] - ends[0]), p50, p99)


def _share(make_work: MakeWork, window: Window, lanes: range) -> list[Piece]:
    with ThreadPoolExecutor(len(lanes)) as threads:
        parts = threads.map(partial(_lane, make_work, window), lanes)
        return [piece for part in parts for piece in part]


def _lane(make_work: MakeWork, window: Window, lane: int) -> list[Piece]:
    work, counted = make_work(lane), []
    while (begun := time.monotonic()) < window.end:
        work()
        finished = time.monotonic()
        if window.start <= finished < window.end:
            counted.append(Piece(finished, finished - begun))
    return counted
