"""A database that answers but accepts no writes: after a failover, or when its disk is full."""

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from gatehouse.database.session import db
from gatehouse.operations import write_check
from tests.application_pool import dispose_engines
from tests.log_lines import read_log_lines
from tests.surface.conftest import read_problem

RECONNECT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity" + (
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def set_read_only(app, store, monkeypatch):
    """Make the database read-only, or writable again, for all new connections."""
    state = {"read_only": False}

    def pragma(connection, _record):
        connection.execute(f"PRAGMA query_only = {'ON' if state['read_only'] else 'OFF'}")

    def alter(read_only):
        state["read_only"] = read_only
        if store.startswith("postgresql"):
            engine = sa.create_engine(store, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.exec_driver_sql("SET default_transaction_read_only = off")
                name = sa.make_url(store).database
                value = "on" if read_only else "off"
                change = f"ALTER DATABASE {name} SET default_transaction_read_only = {value}"
                connection.exec_driver_sql(change)
                connection.exec_driver_sql(RECONNECT)
        with app.app_context():
            dispose_engines(db.engines)

    monkeypatch.setattr(write_check, "INTERVAL", 0.0)
    with app.app_context():
        event.listen(db.engine, "connect", pragma) if db.engine.name == "sqlite" else None
    yield alter
    alter(False)


@pytest.mark.stores
@pytest.mark.alters_the_application
@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_read_only_database_fails_writes_and_readiness_with_a_reason_and_nothing_else(
    client, make_user, set_read_only, capsys
):
    user = make_user()
    tokens = client.log_in(user)
    login = {"identifier": user.email, "password": user.password}
    assert client.get("/health/ready").json == {"status": "ready"}

    set_read_only(True)
    reads = {
        "me": client.as_(tokens).get("/auth/me"),
        "verify": client.as_(tokens).get("/gateway/verify"),
        "sessions": client.as_(tokens).get("/auth/sessions"),
        "keys": client.get("/.well-known/jwks.json"),
        "live": client.get("/health/live"),
    }
    writes = {
        "login": client.post("/auth/login", login),
        "wrong": client.post("/auth/login", login | {"password": "wrong horse battery"}),
        "refresh": client.refresh(tokens),
        "register": client.register("bob@example.com", user.password),
        "logout": client.as_(tokens).post("/auth/logout"),
    }
    ready = client.get("/health/ready")

    for name, response in reads.items():
        assert response.status_code in (200, 204), (name, response.text)
    for name, response in writes.items():
        assert read_problem(response) == (503, "service_unavailable"), name
        assert "not save right now" in response.json["detail"], name
        assert response.headers["Retry-After"], name
    assert read_problem(ready) == (503, "service_unavailable")
    assert ready.json["missing"] == ["writes"]
    lines = [line for line in read_log_lines(capsys) if line["level"] == "error"]
    assert {line["event"] for line in lines} == {"The database accepts no writes."}
    assert all("read-only" in line["reason"] or "readonly" in line["reason"] for line in lines)

    set_read_only(False)
    assert client.get("/health/ready").status_code == 200
    assert client.post("/auth/login", login).status_code == 200


@pytest.mark.alters_the_application
def test_full_disk_is_503_and_readiness_reports_it_until_a_write_succeeds(app, client, make_user):
    user = make_user()
    with app.app_context():
        dispose_engines(db.engines)
        event.listen(db.engine, "connect", limit_pages)
    emails = (f"user{number}@example.com" for number in range(500))
    responses = (client.register(email, user.password) for email in emails)
    full = next(response for response in responses if response.status_code != 202)
    missing = client.get("/health/ready").json.get("missing")
    with app.app_context():
        event.remove(db.engine, "connect", limit_pages)
        dispose_engines(db.engines)

    assert read_problem(full) == (503, "service_unavailable")
    assert "not save right now" in full.json["detail"]
    assert missing == ["writes"]


def limit_pages(connection, _record):
    """Allow no further page: the database is or will soon be full."""
    connection.execute("PRAGMA max_page_count = 1")


@pytest.mark.parametrize("sqlstate", ["25006", "53100"])
def test_disk_full_and_read_only_transactions_of_postgres_are_rejected_writes(sqlstate):
    class Cause(Exception):
        pass

    cause = Cause("no space left on device")
    cause.sqlstate = sqlstate

    assert write_check.is_rejected_write(sa.exc.OperationalError("INSERT", {}, cause))
    assert not write_check.is_rejected_write(sa.exc.OperationalError("INSERT", {}, Cause()))
    assert not write_check.is_rejected_write(sa.exc.InvalidRequestError())
