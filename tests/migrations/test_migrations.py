"""Migrations: up, down and up again, with data; by many at once; and they make what models say."""

import os

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from gatehouse.captcha import service as captcha
from gatehouse.captcha.provider import Solved
from gatehouse.core import clock
from gatehouse.database.session import Base, db, writing
from gatehouse.messaging import sms_budget
from gatehouse.tokens import keys
from gatehouse.web.rate_limit_storage import DatabaseCounters
from gatehouse.web.request_context import NOBODY
from models import LimitCounter, Role, SigningKey
from tests.client import PASSWORD, User
from tests.conftest import environment
from tests.nursery import Python
from tests.rows import rows
from tests.surface.conftest import contents

PREPARE = """
from app import create_app
from gatehouse.cli.serve import prepare
with create_app().app_context():
    prepare()
"""


def tables(app):
    """Return the names of the tables that are there."""
    with app.app_context():
        return set(inspect(db.engine).get_table_names())


def fill(app, client):
    """Let every table have rows, by living in the house for a while."""
    client.sign_up(User("ada@example.com", username="ada"))
    invite = ["users", "invite", "root@example.com", "--role", "admin"]
    app.test_cli_runner().invoke(args=invite)
    token = client.mailbox(to="root@example.com")[0]["variables"]["link"].rpartition("#")[2]
    client.post("/auth/invitation", {"token": token, "password": PASSWORD})
    ada = User("ada@example.com")
    client.log_in(ada)
    form = {"kind": "totp"}
    client.as_(ada.tokens).post(
        "/auth/mfa/factors", form
    )  # it is never confirmed, and not asked for
    client.as_(ada.tokens).post("/auth/logout")
    client.log_in(User("root@example.com"))
    eve = {"email": "eve@example.com", "password": PASSWORD}
    client.post("/auth/register", eve, headers={"Idempotency-Key": "eve-1"})
    client.post("/auth/login", {"identifier": "ada", "password": "a wrong guess"})
    with app.app_context():
        DatabaseCounters("db://").incr("somebody", 60)
        with writing():
            sms_budget.charge("+4915112345678", NOBODY, is_code=True)
        db.session.commit()
        captcha.spend(Solved("an answer", clock.now()))


def downgrade(app):
    with app.app_context():
        flask_migrate.downgrade(revision="base")


def upgrade(app):
    with app.app_context():
        flask_migrate.upgrade()


@pytest.mark.stores
def test_the_migrations_make_what_the_models_say(app):
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.stores
def test_down_and_up_again_with_data_in_every_table(app, client):
    fill(app, client)
    full = {table: len(found) for table, found in contents(app).items()}

    downgrade(app)
    bare = tables(app)
    upgrade(app)
    again = {table: len(found) for table, found in contents(app).items()}

    assert all(full.values()), full
    assert bare == {"alembic_version"}
    assert tables(app) == {*Base.metadata.tables, "alembic_version"}
    assert {table for table, count in again.items() if count} == {"roles"}


@pytest.mark.stores
def test_after_down_and_up_people_can_live_in_the_house(app, client):
    downgrade(app)
    upgrade(app)
    with app.app_context():
        with writing():
            keys.ensure()
        db.session.commit()
    app.extensions["gatehouse.tokens"].ring = None

    fill(app, client)

    assert {role.name for role in rows(app, Role)} == {"user", "admin"}
    assert client.log_in(User("root@example.com"))["user"]["roles"] == ["admin", "user"]


@pytest.mark.stores
def test_upgrading_again_changes_nothing(app, client):
    fill(app, client)
    before = contents(app)

    upgrade(app)

    assert contents(app) == before


@pytest.mark.stores
def test_four_replicas_that_start_at_once_migrate_once_and_make_one_set_of_keys(
    app, store, tmp_path
):
    downgrade(app)
    environ = {"PATH": os.environ["PATH"], **environment(store)}
    said = tmp_path / "said"
    starting = [Python(["-c", PREPARE], environ, said) for _ in range(4)]

    assert [process.wait(60) for process in starting] == [0] * 4, said.read_text()
    with app.app_context():
        assert len(db.session.execute(text("SELECT * FROM alembic_version")).all()) == 1
        assert [stage for _, stage in keys.stages()] == ["active", "next"]
    assert len(rows(app, SigningKey)) == 2
    assert len(rows(app, Role)) == 2
    assert rows(app, LimitCounter) == []


def test_sqlite_minds_foreign_keys_again_after_a_migration(app):
    downgrade(app)
    upgrade(app)

    with app.app_context():
        assert db.session.execute(text("PRAGMA foreign_keys")).scalar() == 1
