"""Column types: times are stored and returned in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from gatehouse.core import clock
from gatehouse.database.session import (
    db,
)
from models import Password, Session


@pytest.mark.stores
def test_datetime_of_any_zone_is_returned_in_utc(app, make_user):
    make_user()
    written = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with app.app_context():
        db.session.scalars(select(Password)).one().changed_at = written
        db.session.commit()

    with app.app_context():
        stored = db.session.scalars(select(Password.changed_at)).one()

    assert stored == written
    assert (stored.tzinfo, stored.hour) == (UTC, 10)


@pytest.mark.stores
def test_datetimes_of_different_zones_are_compared_correctly(app, client, make_user):
    client.log_in(make_user())
    other_zone = timezone(timedelta(hours=-11))

    with app.app_context():
        earlier = (clock.now() - timedelta(minutes=1)).astimezone(other_zone)
        later = select(Session).where(Session.created_at > earlier)

        assert len(db.session.scalars(later).all()) == 1


@pytest.mark.stores
def test_datetime_without_a_zone_is_rejected(app):
    naive = datetime(2026, 7, 1, 12, 0, 0)  # noqa: DTZ001 - that is the point

    with app.app_context(), pytest.raises(StatementError, match="without a time zone"):
        db.session.scalars(select(Session).where(Session.created_at > naive)).all()
