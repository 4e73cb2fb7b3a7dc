"""Workers of logout notifications are killed: each client learns of each logout."""

import itertools
from urllib.parse import parse_qs

import jwt
import pytest

from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from gatehouse.oauth.logout_worker import BATCH
from models import LogoutNotification
from tests.polling import wait_until
from tests.rows import rows
from tests.smtp_fixtures import Workers
from tests.webhook_receiver import OK, webhook_receiver

LEASE = 12.0
"""Seconds; so long the notifications of a killed worker wait."""
COUNT, KILLS = 120, 2


def read_sid(body):
    [token] = parse_qs(body.decode())["logout_token"]
    return jwt.decode(token, options={"verify_signature": False})["sid"]


@pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1")
@pytest.mark.requirement("OP-06")
@pytest.mark.timeout(600)  # of which most is waiting for the leases of killed workers
@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_logouts_all_arrive_although_workers_are_killed(app, settings_environment, make_client):
    workers = Workers(settings_environment, lambda: ["-m", "tests.logout_delivery", str(LEASE)])
    numbers = itertools.count(1)
    with webhook_receiver(read=read_sid) as receiver:
        receiver.answer = lambda _sid: OK if next(numbers) % 20 else (503, b"", {})
        make_client(backchannel_logout_uri=receiver.url)
        sids = queue_logouts(app)
        workers.start(2)
        try:
            for kill in range(1, KILLS + 1):
                goal = kill * COUNT // (KILLS + 1)
                wait_until(lambda goal=goal: len(set(receiver.events)) >= goal)
                workers.kill_one()
            wait_until(lambda: states(app) == {"delivered"})
        finally:
            workers.end()
        received = receiver.events

    assert set(received) == sids
    rejected = len(received) // 20
    assert len(received) - COUNT - rejected <= KILLS * BATCH  # what the killed workers had leased


def queue_logouts(app):
    """Queue notifications as ended sessions do; return their session ids."""
    with app.app_context():
        queued = [
            LogoutNotification(
                client_id="shop",
                user_id=crypto.new_id(),
                subject="somebody",
                sid=crypto.new_id(),
                created_at=clock.now(),
            )
            for _ in range(COUNT)
        ]
        db.session.add_all(queued)
        db.session.commit()
        return {str(row.sid) for row in queued}


def states(app):
    return {row.state for row in rows(app, LogoutNotification)}
