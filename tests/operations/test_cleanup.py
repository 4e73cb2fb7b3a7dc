"""The periodic cleanup: it deletes what has expired, and nothing that still works."""

import pytest

from gatehouse.operations import cleanup
from models import OneTimeCode, Session
from tests.rows import rows


def run_cleanup(app):
    with app.app_context():
        cleanup.run_cleanup()


@pytest.mark.requirement("RG-12")
def test_cleanup_deletes_expired_codes_and_keeps_pending_ones(app, client, make_user, wait):
    client.register("late@example.com")
    wait(days=30)
    client.register("new@example.com")
    pending = rows(app, OneTimeCode)[-1].id

    run_cleanup(app)

    assert [row.id for row in rows(app, OneTimeCode)] == [pending]
    assert client.verify("new@example.com").status_code == 200


@pytest.mark.requirement("OA-08", "RG-12")
def test_cleanup_keeps_what_answers_a_repeated_refresh(app, client, make_user):
    tokens = client.log_in(make_user())
    first = client.refresh(tokens)

    run_cleanup(app)
    repeated = client.refresh(tokens)

    assert (first.status_code, repeated.status_code) == (200, 200)
    signed_parts = [each.json["refresh_token"].rpartition(".")[0] for each in (first, repeated)]
    assert signed_parts[0] == signed_parts[1]


@pytest.mark.requirement("RG-12")
def test_cleanup_deletes_ended_sessions_after_thirty_days(app, client, make_user, wait):
    tokens = client.log_in(make_user())
    client.as_(tokens).post("/auth/logout")

    wait(days=29)
    run_cleanup(app)
    kept = len(rows(app, Session))
    wait(days=2)
    run_cleanup(app)

    assert (kept, rows(app, Session)) == (1, [])
