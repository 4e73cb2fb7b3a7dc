"""Administrators learn in time that a client's secret expires."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.oauth import client_secrets, secret_expiry_notices
from models import OAuthClientSecret
from tests.client import User
from tests.rows import audited, rows
from tests.user_accounts import create_user

ROOT = "root@example.com"


@pytest.fixture
def announce(app):
    """Let the secrets expire after some days, and announce what is due; return how many were."""

    def announce(days):
        before = len(audited(app, "client.secret_expiry_announced"))
        with app.app_context():
            end = clock.now() + timedelta(days=days)
            db.session.execute(sa.update(OAuthClientSecret).values(expires_at=end))
            db.session.commit()
            secret_expiry_notices.announce_due()
            db.session.commit()
        return len(audited(app, "client.secret_expiry_announced")) - before

    return announce


def test_client_secret_is_announced_two_weeks_and_three_days_before_its_end(
    app, client, make_client, announce
):
    make_client()
    create_user(app, User(ROOT), roles=["admin"])
    create_user(app, User("ada@example.com"))

    found = [announce(days) for days in (15, 13.9, 13, 2.9, 2, -1)]

    assert found == [0, 1, 0, 1, 0, 0]
    assert [message["variables"]["client_id"] for message in client.mailbox()] == ["shop"] * 2
    assert {message["to"] for message in client.mailbox()} == {ROOT}


def test_client_secret_that_was_rotated_is_not_announced(app, make_client, announce):
    make_client()
    create_user(app, User(ROOT), roles=["admin"])
    with app.app_context():
        [row] = db.session.query(OAuthClientSecret)
        client_secrets.end_after(row, timedelta(hours=1))
        db.session.commit()

    assert announce(1) == 0


def test_client_secret_that_ended_long_ago_is_deleted(app, make_client):
    make_client()
    for days, left in ((-89, 1), (-91, 0)):
        with app.app_context():
            end = clock.now() + timedelta(days=days)
            db.session.execute(sa.update(OAuthClientSecret).values(expires_at=end))
            client_secrets.purge_ended_secrets()
            db.session.commit()
        assert len(rows(app, OAuthClientSecret)) == left
