"""10,000 events for a webhook, whose workers are killed twice.

Each arrives at least once, in the order of its user; only events that a killed worker had leased
arrive twice, with the same id.
"""

from __future__ import annotations

import sys

import flask_migrate

from gatehouse.hooks.delivery_worker import BATCH
from tests.conftest import running
from tests.endurance.services import database
from tests.webhook_kills import deliver_with_kills

COUNT, KILLS = 10_000, 2


def main() -> int:
    """Publish, deliver, kill and count."""
    with database() as (environ, _folder):
        environ = environ | {"GATEHOUSE_EGRESS_ALLOWLIST": "127.0.0.1"}
        with running(environ) as app:
            with app.app_context():
                flask_migrate.upgrade()
            accepted = deliver_with_kills(app, environ, COUNT, KILLS)
    held = accepted.events == COUNT and accepted.is_in_order
    held = held and accepted.duplicates <= KILLS * BATCH
    counts = f"events={accepted.events} duplicates={accepted.duplicates} kills={KILLS}"
    print(f"webhooks: {counts} in_order={accepted.is_in_order} held={held}", flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
