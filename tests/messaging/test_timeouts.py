"""Retry delays of messages, and pauses of failing channels."""

from datetime import timedelta

import pytest

from gatehouse.core import clock
from gatehouse.database import delivery_lanes
from gatehouse.messaging import outbox_queue
from gatehouse.messaging.message import DeliveryFailed

DOWN = DeliveryFailed("connection refused")


@pytest.mark.parametrize(("retry_after", "seconds"), [(10_000_000, 3600), (-5, 1), (0, 1)])
def test_retry_after_of_a_server_is_limited_to_an_hour_and_at_least_a_second(retry_after, seconds):
    delay = outbox_queue.retry_delay(1, DeliveryFailed("later", retry_after=retry_after))

    assert delay == timedelta(seconds=seconds)


def test_retry_delays_of_messages_that_failed_together_differ():
    delays = {outbox_queue.retry_delay(8, DOWN) for _ in range(50)}

    assert len(delays) > 25
    assert min(delays) >= timedelta(seconds=128)
    assert max(delays) <= timedelta(seconds=256)


def test_channel_pause_starts_at_the_third_failure_and_is_half_a_minute_at_most():
    health = delivery_lanes.ChannelHealth()
    pauses = []
    for _ in range(40):
        health.record_failure()
        pauses.append(health.is_paused)
    paused_until = health.paused_until

    assert pauses == [False, False] + [True] * 38
    assert paused_until <= clock.monotonic() + delivery_lanes.MAX_PAUSE
