"""Rates of tasks do not depend on where a measurement cuts them."""

import itertools

import pytest

from bench.workers import CompletedTask, summarize


def completed_tasks(duration, phase, seconds):
    """Return the tasks that one core completes one after the other within some seconds."""
    times = (phase + duration * number for number in range(int(seconds / duration) + 1))
    return [CompletedTask(time, duration) for time in times if time < seconds]


def test_rate_of_two_cores_does_not_depend_on_the_phase_of_their_tasks():
    for phase, other in itertools.product((0.0, 0.1, 0.29), (0.0, 0.15, 0.2)):
        tasks = completed_tasks(0.3, phase, 5) + completed_tasks(0.3, other, 5)

        found = summarize(tasks, cores=2)

        assert found.rate == pytest.approx(2 / 0.3, rel=0.012), (phase, other)
        assert (found.p50, found.p99) == (300, 300), (phase, other)


def test_rate_of_too_few_tasks_is_an_error():
    with pytest.raises(RuntimeError, match="too few tasks"):
        summarize([CompletedTask(1.0, 0.3), CompletedTask(1.1, 0.3)], cores=2)
