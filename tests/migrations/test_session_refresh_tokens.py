"""Migration 0007 moves refresh tokens into their sessions, and its downgrade moves them back."""

from datetime import UTC, datetime, timedelta

import flask_migrate
import pytest
from sqlalchemy import text

from gatehouse.database.session import db
from models import Session
from tests.rows import rows
from tests.sessions.token_responses import token_claims
from tests.tokens.forgery import assert_rejected

BEFORE = "0006"


def migrate_down_and_up(app, change="SELECT 1"):
    """Go back to the table `refresh_tokens`, change it, return its rows, and upgrade again."""
    with app.app_context():
        flask_migrate.downgrade(revision=BEFORE)
        db.session.execute(text(change))
        db.session.commit()
        found = db.session.execute(text("SELECT * FROM refresh_tokens ORDER BY used_at")).all()
        db.session.rollback()
        flask_migrate.upgrade()
    return found


@pytest.fixture
def wait(time_machine):
    """Move the clock forward, which stands still otherwise."""
    time_machine.move_to(datetime.now(UTC), tick=False)
    return lambda **delta: time_machine.shift(timedelta(**delta))


@pytest.fixture
def tokens(client, make_user, wait):
    return client.log_in(make_user())


@pytest.mark.stores
def test_refresh_tokens_keep_their_state_in_both_directions(app, client, tokens, wait):
    child = client.renew(tokens)
    grandchild = client.renew(child)
    [before] = rows(app, Session)

    stored = migrate_down_and_up(app)

    [after] = rows(app, Session)
    assert len(stored) == 3
    assert after.current_token_id == before.current_token_id
    assert after.token_issued_at == before.token_issued_at
    assert after.used_tokens == before.used_tokens
    assert token_claims(client.renew(tokens)) == token_claims(grandchild)
    wait(minutes=1)
    newest = client.renew(grandchild)
    wait(minutes=1)
    assert_rejected(client.refresh(tokens), "refresh_token_reused")
    assert_rejected(client.refresh(newest), "session_ended")


@pytest.mark.stores
def test_refresh_tokens_used_long_ago_are_not_kept(app, client, tokens, wait):
    child = client.renew(tokens)
    wait(seconds=301)

    migrate_down_and_up(app)

    assert rows(app, Session)[0].used_tokens == ""
    assert client.refresh(child).status_code == 200
    assert_rejected(client.refresh(tokens), "refresh_token_reused")


@pytest.mark.stores
def test_refresh_token_of_a_session_without_an_unused_one_counts_as_used(app, client, tokens):
    migrate_down_and_up(app, "DELETE FROM refresh_tokens")

    assert rows(app, Session)[0].current_token_id is None
    assert_rejected(client.refresh(tokens), "refresh_token_reused")
