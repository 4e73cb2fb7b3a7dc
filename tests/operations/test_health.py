"""Health checks, and behaviour while the database cannot be reached."""

import time

import flask_migrate
import pytest
import sqlalchemy as sa
from sqlalchemy import delete

from gatehouse.database import background_tasks
from gatehouse.database.session import db
from gatehouse.messaging import outbox_queue
from models import SigningKey
from tests.client import PASSWORD, User
from tests.operations.conftest import statuses_of_all_workers
from tests.polling import wait_until
from tests.surface.conftest import read_problem

CLOSE_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.mark.stores
def test_health_checks_pass_for_a_service_that_can_handle_requests(client):
    assert client.get("/health/live").json == {"status": "alive"}
    assert client.get("/health/ready").json == {"status": "ready"}


@pytest.mark.requirement("CF-03")
@pytest.mark.stores
def test_readiness_fails_without_tables_and_liveness_passes(app, client):
    with app.app_context():
        flask_migrate.downgrade(revision="base")

    response = client.get("/health/ready")

    assert client.get("/health/live").status_code == 200
    assert read_problem(response) == (503, "service_unavailable")
    assert response.json["missing"] == ["migrations", "keys"]


@pytest.mark.stores
def test_readiness_fails_with_the_tables_of_another_version(app, client):
    with app.app_context():
        db.session.execute(db.text("UPDATE alembic_version SET version_num = 'other'"))
        db.session.commit()

    assert client.get("/health/ready").json["missing"] == ["migrations"]


@pytest.mark.stores
def test_readiness_fails_without_signing_keys(app, client):
    with app.app_context():
        db.session.execute(delete(SigningKey))
        db.session.commit()

    response = client.get("/health/ready")

    assert read_problem(response) == (503, "service_unavailable")
    assert response.json["missing"] == ["keys"]
    assert response.headers["Retry-After"]


@pytest.mark.requirement("CF-03")
def test_requests_get_503_while_the_database_is_stopped_and_succeed_when_it_is_back(
    server, cluster
):
    client = server.client
    user = client.sign_up(User("ada@example.com"))
    tokens = client.log_in(user)
    login = {"identifier": user.email, "password": user.password}

    cluster.stop_server()
    requests = {
        "login": lambda: client.post("/auth/login", login),
        "refresh": lambda: client.refresh(tokens),
        "me": lambda: client.as_(tokens).get("/auth/me"),
        "register": lambda: client.register("bob@example.com", PASSWORD),
        "ready": lambda: client.get("/health/ready"),
    }
    for name, send in requests.items():
        start = time.monotonic()
        assert read_problem(send()) == (503, "service_unavailable"), name
        assert time.monotonic() - start < 10, name
    assert client.get("/health/ready").json["missing"] == ["database"]
    assert client.get("/health/live").status_code == 200
    assert client.get("/metrics").status_code == 200
    assert "Traceback" not in server.log.read_text()

    cluster.start_server()
    wait_until(lambda: statuses_of_all_workers(client, "/health/ready") == {200})
    me = client.as_(tokens).get("/auth/me")
    assert me.json.get("email") == user.email, me.text
    assert client.refresh(tokens).status_code == 200
    assert client.post("/auth/login", login).status_code == 200
    assert server.process.poll() is None


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_requests_do_not_fail_by_broken_connections_when_the_database_is_back(
    app, client, make_user, store
):
    user = make_user()
    client.log_in(user)

    engine = sa.create_engine(store, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(CLOSE_CONNECTIONS))
    with app.app_context():
        background_tasks.log_exceptions("the first use", outbox_queue.update_metrics)

    assert client.log_in(user)["status"] == "authenticated"


@pytest.mark.requirement("CF-03")
def test_tokens_are_not_verified_while_revocations_cannot_be_read(server, cluster):
    client = server.client
    tokens = client.log_in(client.sign_up(User("eve@example.com")))
    gateway = client.as_(tokens)

    cluster.stop_server()
    wait_until(lambda: gateway.get("/gateway/verify").status_code == 503)  # one worker
    wait_until(lambda: statuses_of_all_workers(gateway, "/gateway/verify") == {503})

    assert read_problem(gateway.get("/gateway/verify")) == (503, "service_unavailable")
    cluster.start_server()
    wait_until(lambda: statuses_of_all_workers(gateway, "/gateway/verify") == {200})
