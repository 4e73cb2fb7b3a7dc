"""POST /admin/users/bulk: one operation on many users, with a result for each."""

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from gatehouse.account.bulk_administration import OPERATIONS
from gatehouse.admin import bulk_routes
from gatehouse.core import crypto
from models import AuditEvent, Session, User
from tests.admin.conftest import ADA, REASON, USERS, outcome
from tests.client import Client
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.tokens.forgery import case

BULK = f"{USERS}/bulk"
BOB, EVE = "bob@example.com", "eve@example.com"
DISABLE = {"operation": "disable", **REASON}
KEY = {"Idempotency-Key": "one-request"}


@pytest.fixture
def people(make_user):
    """Three users without roles."""
    return [make_user(email=email, factors=["totp"]) for email in (ADA, BOB, EVE)]


@pytest.fixture
def id_of(app):
    return lambda email: str(rows(app, User, email_canonical=email)[0].id)


@pytest.fixture
def targets(people, id_of):
    """The three users, as the request names them."""
    return [{"id": id_of(user.email)} for user in people]


def codes(response):
    """Return the code of each result."""
    assert response.status_code == 200, response.json
    return [item["code"] for item in response.json["items"]]


def active(app):
    return {row.email for row in rows(app, User) if row.disabled_at is None}


@pytest.mark.stores
def test_bulk_changes_each_user_independently(app, client, support, people, targets, id_of):
    unknown = {"id": str(crypto.new_id())}
    support.post(f"{USERS}/{targets[1]['id']}/disable", REASON)

    response = support.post(BULK, DISABLE | {"users": [targets[0], unknown, targets[2]]})

    assert codes(response) == [None, "not_found", None]
    assert (response.json["succeeded"], response.json["failed"]) == (2, 1)
    assert [item["outcome"] for item in response.json["items"]] == ["success", "failure", "success"]
    assert not active(app) & {ADA, BOB, EVE}
    assert {str(event.user_id) for event in audited(app, "user.disabled")} == {
        one["id"] for one in targets
    }
    assert client.as_(people[0].tokens).get("/auth/me").json["code"] == "token_revoked"
    assert codes(support.post(BULK, {"operation": "enable", "users": targets})) == [None] * 3
    assert active(app) >= {ADA, BOB, EVE}


@pytest.mark.stores
def test_bulk_knows_every_operation_on_a_single_user(app, client, admin, people, targets):
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    role = {"role": "support"}
    more = {
        "disable": REASON | {"until": later},
        "assign-role": role | REASON | {"until": later},
        "unassign-role": role,
    }
    order = sorted(OPERATIONS, key=lambda name: name != "delete")  # then it is restored first
    order.insert(1, order.pop(order.index("restore")))

    for operation in order:
        form = {"operation": operation, "users": targets, **more.get(operation, {})}
        with case(operation=operation):
            assert codes(admin.post(BULK, form)) == [None] * 3

    assert {row.end_reason for row in rows(app, Session)} > {None}
    assert client.mailbox(to=ADA)
    names = {event.name for event in rows(app, AuditEvent) if event.actor_kind == "user"}
    assert names >= {
        *("user.disabled", "user.enabled", "user.deleted", "user.restored", "user.password_reset"),
        *("user.sessions_ended", "role.assigned", "role.unassigned", "factor.reset_scheduled"),
        "account.unlocked",
    }


@pytest.mark.stores
@pytest.mark.requirement("AZ-04")
def test_bulk_dry_run_predicts_the_results_and_changes_nothing(
    app, client, admin, sign_in_as, targets, id_of
):
    sign_in_as("admin", email="second@example.com")
    both = [{"id": id_of("second@example.com")}, {"id": id_of("root@example.com")}]
    form = DISABLE | {"users": [*targets, {"id": str(crypto.new_id())}, *both]}
    before = rows(app, User), rows(app, Session), len(client.mailbox())

    rehearsed = admin.post(BULK, form | {"dry_run": True})

    assert codes(rehearsed) == [None, None, None, "not_found", None, "last_administrator"]
    assert rehearsed.json["dry_run"] is True
    assert len(active(app)) == len(before[0])
    assert {row.ended_at for row in rows(app, Session)} == {None}
    assert len(client.mailbox()) == before[2]
    assert audited(app, "user.disabled") == []
    assert codes(admin.post(BULK, form)) == codes(rehearsed)


@pytest.mark.requirement("AZ-03")
def test_bulk_needs_the_permission_of_the_operation(app, support, sign_in_as, targets):
    auditor = sign_in_as("auditor", email="auditor@example.com")
    allowed = {
        "auditor": (auditor, set()),
        "support": (
            support,
            {
                n
                for n, one in OPERATIONS.items()
                if one.permission.endswith("s:write") and "role" not in n
            },
        ),
    }
    more = {
        "disable": REASON,
        "assign-role": {"role": "support"},
        "unassign-role": {"role": "support"},
    }

    for role, (signed_in, names) in allowed.items():
        for name in OPERATIONS:
            form = {"operation": name, "users": targets, "dry_run": True, **more.get(name, {})}
            with case(role=role, operation=name):
                assert (outcome(signed_in.post(BULK, form)) == (403, "forbidden")) == (
                    name not in names
                )


@pytest.mark.requirement("AZ-04")
def test_bulk_does_not_change_superiors(app, support, sign_in_as, targets, id_of):
    sign_in_as("admin", email="root@example.com")
    superior = {"id": id_of("root@example.com")}

    for dry_run in (True, False):
        form = DISABLE | {"users": [superior, targets[0]], "dry_run": dry_run}
        assert codes(support.post(BULK, form)) == ["forbidden", None]

    assert "root@example.com" in active(app)
    assert len(audited(app, "authorization.denied")) == 2


def test_bulk_stops_when_the_administrator_loses_the_right(app, admin, sign_in_as, targets, id_of):
    sign_in_as("admin", email="second@example.com")
    unknown, own = {"id": str(crypto.new_id())}, {"id": id_of("root@example.com")}

    response = admin.post(
        BULK, DISABLE | {"users": [unknown, own, unknown | {"id": targets[0]["id"]}]}
    )

    assert codes(response) == ["not_found", None, "session_ended"]
    assert ADA in active(app)


@pytest.mark.stores
@pytest.mark.requirement("AZ-04")
def test_bulk_keeps_one_of_two_administrators_in_parallel(app, sign_in_as, targets, id_of):
    names = ("one@example.com", "two@example.com")
    administrators = [sign_in_as("admin", email=name) for name in names]
    form = DISABLE | {"users": [*targets, *({"id": id_of(name)} for name in names)]}

    def disable(signed_in, users):
        return Client(app.test_client, signed_in._bearer).post(BULK, form | {"users": users})

    run_in_parallel(
        partial(disable, administrators[0], form["users"]),
        partial(disable, administrators[1], form["users"][::-1]),
    )

    assert len(active(app) & set(names)) == 1


def test_bulk_changes_only_the_version_that_was_seen(app, admin, targets):
    paths = [f"{USERS}/{one['id']}" for one in targets]
    seen = [
        one | {"etag": admin.get(path).headers["ETag"]}
        for one, path in zip(targets, paths, strict=True)
    ]
    admin.patch(paths[1], {"name": "Bob"}, headers={"If-Match": "*"})
    seen[2]["etag"] = "*"
    unseen = [one | {"etag": '""'} for one in targets]

    assert codes(admin.post(BULK, DISABLE | {"users": unseen})) == ["precondition_failed"] * 3
    response = admin.post(BULK, DISABLE | {"users": seen})

    assert codes(response) == [None, "precondition_failed", None]
    assert BOB in active(app)


@pytest.mark.stores
def test_bulk_repeats_nothing_in_twenty_parallel_requests_with_one_key(
    app, support, client, targets
):
    form = {"operation": "reset-password", "users": targets}

    def reset():
        return Client(app.test_client, support._bearer).post(BULK, form, headers=KEY)

    answers = run_in_parallel(*[reset] * 20)

    assert {response.status_code for response in answers} == {200}
    assert all(codes(response) == [None] * 3 for response in answers)
    assert len(audited(app, "user.password_reset")) == 3
    assert (
        len([mail for mail in client.mailbox(to=ADA) if mail["template"] == "password_reset"]) == 1
    )
    other = support.post(BULK, form | {"users": targets[:1]}, headers=KEY)
    assert outcome(other) == (422, "idempotency_key_reused")


def test_bulk_that_ran_out_of_time_continues_with_the_same_key(app, support, targets, monkeypatch):
    form = {"operation": "reset-password", "users": targets}
    monkeypatch.setattr(bulk_routes, "TIME_LIMIT", timedelta(seconds=-1))
    first = support.post(BULK, form, headers=KEY)
    monkeypatch.undo()

    assert codes(first) == ["service_unavailable"] * 3
    assert audited(app, "user.password_reset") == []
    assert codes(support.post(BULK, form, headers=KEY)) == [None] * 3
    assert codes(support.post(BULK, form, headers=KEY)) == [None] * 3
    assert len(audited(app, "user.password_reset")) == 3


@pytest.mark.requirement("RG-07")
def test_bulk_rejects_what_an_operation_does_not_take(admin, targets):
    users = {"users": targets}
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    wrong = {
        "reason": {"operation": "disable"} | users,
        "role": {"operation": "assign-role"} | users,
        "until": {"operation": "enable", "until": later} | users,
        "operation": {"operation": "erase"} | users,
        "users": DISABLE | {"users": []},
        "users.50.id": DISABLE | {"users": [{"id": str(UUID(int=n))} for n in range(50)] * 2},
        "password": DISABLE | users | {"password": "a long phrase of mine"},
        "users.0.is_admin": DISABLE | {"users": [targets[0] | {"is_admin": True}]},
    }

    for field, form in wrong.items():
        with case(field=field):
            response = admin.post(BULK, form)
            assert outcome(response) == (422, "validation_failed")
            assert field in response.json["errors"]


def test_bulk_takes_a_hundred_users(admin):
    users = [{"id": str(UUID(int=number))} for number in range(100)]

    response = admin.post(BULK, DISABLE | {"users": users})

    assert codes(response) == ["not_found"] * 100
    assert outcome(admin.post(BULK, DISABLE | {"users": [*users, users[0]]}))[0] == 422
