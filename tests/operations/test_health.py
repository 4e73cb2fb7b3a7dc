"""Is it alive, is it ready, and what happens while the database is away."""

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
from tests.operations.conftest import every_worker
from tests.patience import wait_until
from tests.surface.conftest import verdict

BREAK_ALL = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.mark.stores
def test_a_service_that_can_serve_says_so(client):
    assert client.get("/health/live").json == {"status": "alive"}
    assert client.get("/health/ready").json == {"status": "ready"}


@pytest.mark.stores
def test_without_its_tables_a_service_lives_but_is_not_ready(app, client):
    with app.app_context():
        flask_migrate.downgrade(revision="base")

    answer = client.get("/health/ready")

    assert client.get("/health/live").status_code == 200
    assert verdict(answer) == (503, "service_unavailable")
    assert answer.json["missing"] == ["migrations", "keys"]


@pytest.mark.stores
def test_with_tables_of_another_version_a_service_is_not_ready(app, client):
    with app.app_context():
        db.session.execute(db.text("UPDATE alembic_version SET version_num = 'other'"))
        db.session.commit()

    assert client.get("/health/ready").json["missing"] == ["migrations"]


@pytest.mark.stores
def test_without_keys_a_service_is_not_ready(app, client):
    with app.app_context():
        db.session.execute(delete(SigningKey))
        db.session.commit()

    answer = client.get("/health/ready")

    assert verdict(answer) == (503, "service_unavailable")
    assert answer.json["missing"] == ["keys"]
    assert answer.headers["Retry-After"]


def test_while_the_database_is_away_everybody_is_told_at_once_and_then_served_again(away, cluster):
    client = away.client
    user = client.sign_up(User("ada@example.com"))
    tokens = client.log_in(user)
    login = {"identifier": user.email, "password": user.password}

    cluster.halt()
    asked = {
        "login": lambda: client.post("/auth/login", login),
        "refresh": lambda: client.refresh(tokens),
        "me": lambda: client.as_(tokens).get("/auth/me"),
        "register": lambda: client.register("bob@example.com", PASSWORD),
        "ready": lambda: client.get("/health/ready"),
    }
    for name, ask in asked.items():
        began = time.monotonic()
        assert verdict(ask()) == (503, "service_unavailable"), name
        assert time.monotonic() - began < 2, name
    assert client.get("/health/ready").json["missing"] == ["database"]
    assert client.get("/health/live").status_code == 200
    assert client.get("/metrics").status_code == 200
    assert "Traceback" not in away.log.read_text()

    cluster.resume()
    wait_until(lambda: every_worker(client, "/health/ready") == {200})
    me = client.as_(tokens).get("/auth/me")
    assert me.json.get("email") == user.email, me.text
    assert client.refresh(tokens).status_code == 200
    assert client.post("/auth/login", login).status_code == 200
    assert away.process.poll() is None


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_when_the_database_is_back_no_request_fails_by_a_connection_from_before(
    app, client, make_user, store
):
    user = make_user()
    client.log_in(user)

    engine = sa.create_engine(store, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(BREAK_ALL))
    with app.app_context():
        background_tasks.attempt("whatever notices first", outbox_queue.measure)

    assert client.log_in(user)["status"] == "authenticated"


def test_nobody_is_let_in_on_what_was_known_before_the_database_went(away, cluster):
    client = away.client
    tokens = client.log_in(client.sign_up(User("eve@example.com")))
    gate = client.as_(tokens)

    cluster.halt()
    wait_until(lambda: gate.get("/gateway/verify").status_code == 503)  # one of them knows it
    wait_until(lambda: every_worker(gate, "/gateway/verify") == {503})

    assert verdict(gate.get("/gateway/verify")) == (503, "service_unavailable")
    cluster.resume()
    wait_until(lambda: every_worker(gate, "/gateway/verify") == {200})
