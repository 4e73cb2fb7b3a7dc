"""A view whose transaction PostgreSQL gave up runs once more; any other error ends the request."""

import threading
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gatehouse.captcha import service as captcha
from gatehouse.captcha.service import CaptchaWrong
from gatehouse.core.metrics import TRANSACTION_CONFLICTS
from gatehouse.database.session import advisory_lock, commits, db, write_transaction
from models import Role
from tests.captcha.conftest import solve_captcha
from tests.parallel import run_in_parallel
from tests.rows import rows

REQUEST = {"gatehouse.request_id": "of a test"}
on_postgres = pytest.mark.parametrize("store", ["postgres"], indirect=True)
FAIL = text("DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '40001'; END $$")
FAIL_OTHERWISE = text("DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '55P03'; END $$")


def run_view(app, view):
    with app.test_request_context(environ_overrides=REQUEST):
        return commits(view)()


def count_conflicts():
    return next(
        sample.value
        for sample in TRANSACTION_CONFLICTS.collect()[0].samples
        if sample.name.endswith("_total")
    )


def add_role(name):
    db.session.add(Role(name=name, description="a test"))
    db.session.flush()


@on_postgres
def test_deadlocked_view_runs_again_and_both_commit(app):
    met, runs, before = threading.Barrier(2), [], count_conflicts()

    def view(first, second):
        runs.append(first)
        with write_transaction():
            advisory_lock(first)
            add_role(f"of-{first}")
            if len(runs) <= 2:
                met.wait(timeout=30)
            advisory_lock(second)
        return first

    views = [partial(view, *order) for order in (("a", "b"), ("b", "a"))]
    answers = run_in_parallel(*[partial(run_view, app, partial(one)) for one in views])

    assert answers == ["a", "b"]
    assert len(runs) == 3
    assert {"of-a", "of-b"} <= {role.name for role in rows(app, Role)}
    assert count_conflicts() == before + 1


@on_postgres
@pytest.mark.parametrize(("statement", "count"), [(FAIL, 2), (FAIL_OTHERWISE, 1)])
def test_view_runs_at_most_twice_and_only_after_a_conflict(app, statement, count):
    runs = []

    def view():
        runs.append(1)
        with write_transaction():
            add_role("rolled-back")
            db.session.execute(statement)

    with pytest.raises(OperationalError):
        run_view(app, view)

    assert len(runs) == count
    assert "rolled-back" not in {role.name for role in rows(app, Role)}


@on_postgres
@pytest.mark.settings(GATEHOUSE_CAPTCHA_LOGIN="always", GATEHOUSE_CAPTCHA_COST="5")
@pytest.mark.settings(GATEHOUSE_CAPTCHA="altcha")
def test_captcha_answer_is_accepted_again_by_the_repeated_run_only(app, client):
    answer, runs = solve_captcha(client), []

    def view():
        runs.append(1)
        captcha.verify_answer("login", answer)
        if len(runs) == 1:
            db.session.execute(FAIL)

    run_view(app, view)

    assert len(runs) == 2
    with app.test_request_context(environ_overrides=REQUEST), pytest.raises(CaptchaWrong):
        captcha.verify_answer("login", answer)
