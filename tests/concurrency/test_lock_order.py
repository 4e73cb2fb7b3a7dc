"""All flows take their locks in one order: a contradiction is found although no flows meet."""

import itertools

import pytest

from gatehouse.database.session import db
from tests.concurrency.lock_order import LockOrder, read_lock, recorded_lock_order
from tests.concurrency.test_pairs_of_flows import FLOWS, World

ACTIONS = ("unlock", "reset-password", "revoke-sessions", "disable", "enable", "verify-email")


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_lock_order_of_all_flows_is_one(app, client, make_user, sign_in_as):
    admin = sign_in_as("admin", email="root@example.com")
    with app.app_context():
        engine = db.engine

    with recorded_lock_order(engine) as lock_order:
        for number, flow in enumerate(FLOWS):
            user = make_user(email=f"ada{number}@example.com")
            tokens = itertools.cycle([client.log_in(user) for _ in range(2)])
            lock_order.flow = f"preparing {flow.__name__}"
            run = flow(World(client, user, tokens))
            lock_order.flow = flow.__name__
            assert run().status_code < 300
        user_id = client.as_(next(tokens)).get("/auth/me").json["id"]
        for action in ACTIONS:
            lock_order.flow = f"admin {action}"
            done = admin.post(f"/admin/users/{user_id}/{action}", {"reason": "her request"})
            assert done.status_code < 300, done.text

    taken = {(step.held, step.taken) for step in lock_order.steps}
    assert taken >= {("account", "sessions"), ("recipient", "one_time_codes")}
    assert ("administration", "account") in taken
    assert lock_order.contradictions() == set()


def test_lock_order_knows_what_a_statement_locks():
    statements = {
        "UPDATE users SET x=1": "users",
        "DELETE FROM one_time_codes WHERE id = 1": "one_time_codes",
        "SELECT s.id FROM users JOIN s ON 1=1 FOR NO KEY UPDATE OF s": "s",
        "SELECT a FROM passwords WHERE id = 1 FOR UPDATE": "passwords",
        "INSERT INTO limit_counters VALUES (1) ON CONFLICT DO NOTHING": "limit_counters",
        "INSERT INTO audit_events VALUES (1)": None,
        "SELECT id FROM outbox FOR UPDATE SKIP LOCKED": None,
        "SELECT id FROM users": None,
    }
    assert {text: read_lock(text, {}) for text in statements} == statements
    advisory = "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"
    assert read_lock(advisory, {"key": "account:1"}) == "account"


def test_lock_order_is_contradicted_unless_a_gate_is_before_it():
    for gate, contradictions in (("", 1), ("account", 0)):
        order = LockOrder()
        for number, locks in enumerate([("sessions", "codes"), ("codes", "sessions")]):
            order.flow = f"flow {number}"
            for lock in filter(None, (gate, *locks)):
                order.take(number, lock)
            order.end(number)
        found = order.contradictions()
        assert len(found) == contradictions
    assert found == set()
