"""The token state of a worker: stale state is not used, and a failed read is repeated."""

import pytest
import sqlalchemy as sa

from gatehouse.core import clock, crypto
from gatehouse.database import background_tasks
from gatehouse.database.session import db
from gatehouse.tokens import sync
from tests.client import Client
from tests.conftest import running
from tests.tokens.forgery import case
from tests.tokens.worker_sync import refresh_state


def test_stale_state_responds_503_to_access_tokens(client, tokens, token_state):
    for path in ("/auth/me", "/gateway/verify", "/auth/sessions"):
        with case(path=path):
            token_state.read_at = clock.monotonic()
            assert client.as_(tokens).get(path).status_code == 200  # now it is cached

            token_state.read_at = clock.monotonic() - 5.01
            response = client.as_(tokens).get(path)

            assert (response.status_code, response.json["code"]) == (503, "service_unavailable")
            assert response.mimetype == "application/problem+json"
            assert response.headers["Retry-After"] == "1"


def test_stale_state_responds_503_at_all_other_endpoints(client, make_user, tokens, token_state):
    user = make_user()
    token_state.read_at = clock.monotonic() - 5.01

    responses = [
        client.refresh(tokens),
        client.as_(tokens).post("/auth/logout"),
        client.post("/auth/login", {"identifier": user.email, "password": user.password}),
        client.get("/.well-known/jwks.json"),
        client.get("/health/ready"),
    ]

    assert [response.status_code for response in responses] == [503] * 5


def test_stale_state_changes_nothing_in_the_session(client, tokens, token_state):
    token_state.read_at = clock.monotonic() - 5.01
    client.refresh(tokens)

    token_state.read_at = clock.monotonic()
    response = client.refresh(tokens)

    assert response.status_code == 200
    assert len(client.as_(response.json).get("/auth/sessions").json["items"]) == 1


def test_state_of_four_seconds_ago_is_still_accepted(client, tokens, token_state):
    token_state.read_at = clock.monotonic() - 4

    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_worker_is_not_ready_before_its_first_refresh(start_application, tokens):
    fresh = start_application()
    fresh.extensions["gatehouse.tokens"].synced_in_background = True
    client = Client(fresh.test_client)

    readiness, response = client.get("/health/ready"), client.as_(tokens).get("/auth/me")

    assert (readiness.status_code, readiness.json["missing"]) == (503, ["keys"])
    assert response.status_code == 503
    refresh_state(fresh)
    assert client.get("/health/ready").status_code == 200
    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_refresh_of_the_state_that_fails_is_repeated(app, client, tokens, token_state, monkeypatch):
    before = token_state.read_at
    with app.app_context():
        monkeypatch.setattr(sync.keys, "read_key_set", _fail)
        background_tasks.log_exceptions("token sync", sync.refresh)
        assert token_state.read_at == before

        monkeypatch.undo()
        background_tasks.log_exceptions("token sync", sync.refresh)

    assert token_state.read_at > before
    assert client.as_(tokens).get("/auth/me").status_code == 200


@pytest.mark.stores
def test_worker_start_tolerates_one_failed_read(start_application, tokens):
    fresh = start_application()
    fresh.extensions["gatehouse.tokens"].synced_in_background = True
    with fresh.app_context():
        fail_next_connection(db.engine)
        sync.load_initial()

    client = Client(fresh.test_client)
    assert client.get("/health/ready").status_code == 200
    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_worker_listens_without_its_database(settings_environment, tmp_path):
    missing = {"DATABASE_URL": f"sqlite:///{tmp_path / 'nothing' / 'here.db'}"}
    with running(settings_environment | missing) as fresh:
        fresh.extensions["gatehouse.tokens"].synced_in_background = True
        with fresh.app_context():
            sync.load_initial()

        client = Client(fresh.test_client)
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503


def fail_next_connection(engine):
    """Let the next attempt to connect fail."""
    engine.dispose()

    @sa.event.listens_for(engine, "do_connect", once=True)
    def fail(*_arguments):
        raise engine.dialect.dbapi.OperationalError("connection timeout expired")


def _fail(*_arguments):
    raise crypto.DecryptionFailed("no encryption key named 'old'")
