"""Repeat tasks in parallel workers, and measure their rate while all workers run."""

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

CORES = os.cpu_count() or 1
WARM_UP = 1.0  # seconds, in which workers start and connect

Task = Callable[[], object]
MakeTask = Callable[[int], Task]
"""Returns the task of the worker with a number; called in that worker."""


@dataclass(frozen=True)
class Measurement:
    """Rate per second, and percentiles of the duration in milliseconds."""

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Window:
    """Period, on the monotonic clock, in which completed tasks count."""

    start: float
    end: float


@dataclass(frozen=True, order=True)
class CompletedTask:
    """A completed task: when it finished, on the monotonic clock, and its duration in seconds."""

    finished: float
    duration: float


def measure(make_task: MakeTask, workers: int, seconds: float) -> Measurement:
    """Measure the tasks of all workers, which are threads of one process per core.

    Tasks count that finish inside a window, in which all workers run, so that tasks in progress at
    its ends are neither lost nor counted twice.
    """
    start = time.monotonic() + WARM_UP
    window = Window(start, start + seconds)
    processes = min(CORES, workers)
    shares = [range(first, workers, processes) for first in range(processes)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        parts = pool.map(partial(_run_workers, make_task, window), shares)
        return summarize([task for part in parts for task in part])


def summarize(completed: list[CompletedTask], cores: int = CORES) -> Measurement:
    """Return the rate and the percentiles of completed tasks.

    The rate is measured from the end of the first task to the end of the last one that makes a
    whole number of tasks per core. A fixed window would cut tasks at both ends, and count 16 or 17
    where a core completes 16.6.
    """
    ends = [task.finished for task in sorted(completed)]
    counted = (len(ends) - 1) // cores * cores
    if counted < 1:
        raise RuntimeError("too few tasks were completed to measure a rate")
    ordered = sorted(task.duration for task in completed)
    p50, p99 = (ordered[int((len(ordered) - 1) * part)] * 1000 for part in (0.5, 0.99))
    return Measurement(counted / (ends[counted] - ends[0]), p50, p99)


def _run_workers(make_task: MakeTask, window: Window, workers: range) -> list[CompletedTask]:
    with ThreadPoolExecutor(len(workers)) as threads:
        parts = threads.map(partial(_run_worker, make_task, window), workers)
        return [task for part in parts for task in part]


def _run_worker(make_task: MakeTask, window: Window, worker: int) -> list[CompletedTask]:
    task, counted = make_task(worker), []
    while (started := time.monotonic()) < window.end:
        task()
        finished = time.monotonic()
        if window.start <= finished < window.end:
            counted.append(CompletedTask(finished, finished - started))
    return counted
