"""Races of keys on PostgreSQL, and what reaches another replica."""

from functools import partial

import pytest

from models import ApiKey
from tests.client import Client
from tests.conftest import running
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.service_accounts.conftest import outcome
from tests.tokens.worker_sync import refresh_state

pytestmark = pytest.mark.stores
USERS = "/admin/users"


@pytest.fixture
def other_worker(settings_environment):
    """Another worker on the same database, which reads it only in `refresh_state`."""
    with running(settings_environment) as other:
        refresh_state(other)
        other.extensions["gatehouse.tokens"].synced_in_background = True
        yield other


def test_key_is_rotated_once_in_twenty_parallel_requests(app, admin, make_key):
    key = make_key()

    responses = run_in_parallel(*[partial(admin.post, f"{key.url}/rotate")] * 20)

    statuses = sorted(one.status_code for one in responses)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {409, 503}  # a busy machine may not get the lock in time
    assert len(rows(app, ApiKey)) == 2


def test_key_is_revoked_once_in_twenty_parallel_requests(app, admin, make_key):
    key = make_key()

    responses = run_in_parallel(*[partial(admin.delete, key.url)] * 20)

    assert {one.status_code for one in responses} <= {204, 503}
    assert len(audited(app, "api_key.revoked")) == 1


def test_key_changes_reach_another_replica_at_its_next_refresh(
    admin, make_key, make_account, other_worker
):
    key = make_key("users:read", account=make_account("support"))
    elsewhere = Client(other_worker.test_client).as_(key.text)
    path = "/gateway/verify?require=users:read"

    outcomes = [outcome(elsewhere.get(path))]
    for act in (
        lambda: None,
        lambda: admin.patch(key.account, {"roles": []}),
        lambda: admin.delete(key.url),
    ):
        act()
        refresh_state(other_worker)
        outcomes.append(outcome(elsewhere.get(path)))

    assert outcomes == [
        (401, "api_key_invalid"),
        (200, None),
        (403, "forbidden"),
        (401, "api_key_revoked"),
    ]


def test_key_that_was_revoked_elsewhere_writes_nothing_any_more(
    app, admin, make_key, owner_id, other_worker
):
    key = make_key("users:write")
    refresh_state(other_worker)
    elsewhere = Client(other_worker.test_client).as_(key.text)
    assert elsewhere.get("/gateway/verify").status_code == 200

    admin.delete(key.url)
    response = elsewhere.post(f"{USERS}/{owner_id}/disable", {"reason": "late"})

    assert outcome(response) == (401, "api_key_revoked")
    assert audited(app, "user.disabled") == []


def test_key_that_is_revoked_while_it_writes_writes_before_or_not_at_all(
    app, admin, make_key, owner_id
):
    key = make_key("users:write")
    disable = partial(key.client.post, f"{USERS}/{owner_id}/disable", {"reason": "x"})

    *disabled, revoked = run_in_parallel(*[disable] * 19, partial(admin.delete, key.url))

    [end] = audited(app, "api_key.revoked")
    assert revoked.status_code == 204
    assert {one.status_code for one in disabled} <= {200, 401, 503}
    assert all(event.at <= end.at for event in audited(app, "user.disabled"))
