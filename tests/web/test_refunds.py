"""A request that is answered 503 gets its attempts and its rate limits back, also later."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from gatehouse.database import refunds
from gatehouse.database.session import db
from gatehouse.lockout import service as lockout
from gatehouse.passwords.hash_pool import MAX_WAITING
from models import FailedAttemptCounter, LimitCounter, OneTimeCode
from tests.account.conftest import ADA, request_reset_mail
from tests.client import PASSWORD
from tests.passwords.test_hash_pool import LOCAL, BlockedPool
from tests.rows import rows
from tests.surface.conftest import read_problem
from tests.web.rate_limited_requests import each_store, limits_on

NEW = "another horse, another battery"
DISCONNECT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{}'"
on_postgres = pytest.mark.parametrize("store", ["postgres"], indirect=True)


@pytest.fixture
def outage(store):
    """Return functions that end all connections and allow no more, and that allow them again."""
    url = sa.make_url(store)
    server = sa.create_engine(
        url.set(database="postgres"), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT"
    )

    def allow(allowed):
        with server.connect() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS {allowed}")
            if not allowed:
                connection.exec_driver_sql(DISCONNECT.format(url.database))

    yield allow
    allow(True)


@pytest.fixture
def fail_after(monkeypatch, outage):
    """Return a context in which the database goes away as soon as a function has returned."""

    @contextmanager
    def context(module, name):
        real = getattr(module, name)

        def wrapper(*arguments, **named):
            result = real(*arguments, **named)
            with ThreadPoolExecutor(1) as other_thread:  # it uses a connection, not the request
                other_thread.submit(outage, False).result()
            return result

        with monkeypatch.context() as patch:
            patch.setattr(module, name, wrapper)
            yield
        outage(True)

    return context


def counted(app):
    """Return the numbers of counted failures, code attempts and hits of rate limits."""
    with app.app_context():
        refunds.give_back_delayed()
    return (
        sum(row.failures for row in rows(app, FailedAttemptCounter)),
        sum(row.attempts + row.requester_attempts for row in rows(app, OneTimeCode)),
        {row.key.rsplit(":", 1)[-1]: row.hits for row in rows(app, LimitCounter) if row.hits > 0},
    )


@pytest.fixture
def requests(client, make_user):
    """The requests that count an attempt at a right secret, by name."""
    user, mfa_user = make_user(email=ADA), make_user(factors=["totp"])
    signed_in, stepped = client.log_in(user), mfa_user
    challenge = client.post("/auth/login", {"identifier": mfa_user.email, "password": PASSWORD})
    code = request_reset_mail(client)["code"]
    client.register("new@example.com")
    sign_up = client.mailbox(to="new@example.com")[0]["variables"]["code"]
    second = {"mfa_token": challenge.json["mfa_token"], "factor": "totp", "code": stepped.totp(1)}
    change = {"current_password": PASSWORD, "password": NEW}
    return {
        "login": (client, "/auth/login", {"identifier": ADA, "password": PASSWORD}),
        "second factor": (client, "/auth/login/mfa", second),
        "step-up": (client.as_(signed_in), "/auth/reauthenticate", {"password": PASSWORD}),
        "change": (client.as_(signed_in), "/auth/password/change", change),
        "reset": (client, "/auth/password/reset", {"email": ADA, "code": code, "password": NEW}),
        "code": (
            client,
            "/auth/email/verify",
            {"email": "new@example.com", "code": sign_up, "password": PASSWORD},
        ),
    }


@on_postgres
@limits_on
@pytest.mark.requirement("CF-03")
def test_attempts_and_limits_are_given_back_after_an_outage_in_the_middle(
    app, requests, fail_after
):
    with app.app_context():
        db.session.execute(sa.delete(LimitCounter))
        db.session.commit()
    before = counted(app)

    for name, (client, path, form) in requests.items():
        with fail_after(lockout, "count_attempt"):
            response = client.post(path, form)

        assert read_problem(response) == (503, "service_unavailable"), name
        assert counted(app) == before, name

    client, path, form = requests["login"]
    assert client.post(path, form).status_code == 200


@on_postgres
def test_second_factor_is_given_back_when_its_commit_fails(app, requests, fail_after):
    before = counted(app)

    client, path, form = requests["second factor"]
    with fail_after(lockout, "reset_in_transaction"):
        response = client.post(path, form)

    assert response.status_code == 503
    assert counted(app) == before
    assert client.post(path, form).status_code == 200


@on_postgres
@pytest.mark.requirement("RL-01")
def test_wrong_secret_stays_counted_though_the_database_goes_away(app, requests, fail_after):
    for name, wrong in {
        "login": {"password": "wrong horse battery"},
        "second factor": {"code": "000000"},
        "step-up": {"password": "wrong horse battery"},
        "reset": {"code": "00000000"},
    }.items():
        client, path, form = requests[name]
        failures, attempts, _ = counted(app)
        with fail_after(lockout, "count_attempt"):
            response = client.post(path, form | wrong)

        after = counted(app)
        assert response.status_code == 503, name
        evaluated_first = name in ("login", "step-up")  # the others read the code's row first
        assert after[0] - failures == 2 * evaluated_first, name
        assert evaluated_first or after[:2] == (failures, attempts), name


@each_store
@pytest.mark.settings(GATEHOUSE_LIMIT_LOGIN="2/minute")
def test_busy_service_uses_up_no_limit(limited_app):
    blocked = BlockedPool()
    pool = limited_app.extensions["gatehouse.hash_pool"]
    limited_app.extensions["gatehouse.hash_pool"] = blocked.pool
    for _ in range(MAX_WAITING):
        blocked.add_job(LOCAL)
    client = limited_app.test_client()
    form = {"identifier": "nobody@example.com", "password": PASSWORD}
    try:
        statuses = {client.post("/auth/login", json=form).status_code for _ in range(4)}
    finally:
        blocked.unblock()
        limited_app.extensions["gatehouse.hash_pool"] = pool

    assert statuses == {503}  # and no 429
    assert [row.hits for row in rows(limited_app, LimitCounter) if row.hits] == []
    assert client.post("/auth/login", json=form).status_code == 401


@each_store
def test_idempotency_key_is_charged_once(limited_app):
    client = limited_app.test_client()
    form = {"email": "new@example.com", "password": PASSWORD}

    def register(key):
        headers = {"Idempotency-Key": f"8e03978e-40d5-43dd-bc93-{key}"}
        return client.post("/auth/register", json=form, headers=headers)

    first = register(0)
    repeated = [register(0) for _ in range(15)]
    others = [register(number).status_code for number in range(1, 11)]
    late = register(0)
    other_body = client.post(
        "/auth/register",
        json=form | {"password": NEW},
        headers={"Idempotency-Key": "8e03978e-40d5-43dd-bc93-0"},
    )

    assert {response.data for response in repeated} == {first.data}
    assert others == [202] * 3 + [429] * 7  # four from one network in ten minutes
    assert late.data == first.data  # though the limit is used up
    assert read_problem(other_body) == (422, "idempotency_key_reused")
