"""Workers of webhooks are killed: each event arrives, in order for each user, with the same id."""

import pytest

from gatehouse.hooks.delivery_worker import BATCH
from tests.webhook_kills import deliver_with_kills

pytestmark = [
    pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1"),
    pytest.mark.timeout(600),  # of which most is waiting for the leases of killed workers
]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_events_all_arrive_in_order_although_workers_are_killed(app, settings_environment):
    accepted = deliver_with_kills(app, settings_environment, count=200, kills=2)

    assert accepted.events == 200
    assert accepted.is_in_order
    assert accepted.duplicates <= 2 * BATCH  # at most what the killed workers had leased
