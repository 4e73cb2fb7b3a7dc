"""How long messages and channels wait after a failure."""

from datetime import timedelta

import pytest

from gatehouse.core import clock
from gatehouse.messaging import outbox_queue, worker
from gatehouse.messaging.message import DeliveryFailed

DOWN = DeliveryFailed("connection refused")


@pytest.mark.parametrize(("asked", "most"), [(10_000_000, 3600), (-5, 1), (0, 1)])
def test_what_the_other_side_says_is_believed_within_reason(asked, most):
    wait = outbox_queue.wait_after(1, DeliveryFailed("later", retry_after=asked))

    assert wait == timedelta(seconds=most)


def test_messages_that_failed_together_do_not_come_back_together():
    waits = {outbox_queue.wait_after(8, DOWN) for _ in range(50)}

    assert len(waits) > 25
    assert min(waits) >= timedelta(seconds=128)
    assert max(waits) <= timedelta(seconds=256)


def test_a_channel_rests_ever_longer_and_half_a_minute_at_most():
    line = worker.Line()
    rests = []
    for _ in range(40):
        line.fail()
        rests.append(line.rests)
    left = line.rests_until

    assert rests == [False, False] + [True] * 38
    assert left <= clock.monotonic() + worker.LONGEST_REST
