"""Migrations: up, down and up again with data, by many replicas, and equal to the models."""

import os

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from gatehouse.captcha import service as captcha
from gatehouse.captcha.provider import VerifiedAnswer
from gatehouse.core import clock, crypto
from gatehouse.core.events import UserCreated, publish
from gatehouse.database.session import Base, db, write_transaction
from gatehouse.hooks import definitions as hooks
from gatehouse.hooks.definitions import HookChange
from gatehouse.messaging import sms_budget
from gatehouse.service_accounts import accounts
from gatehouse.service_accounts import keys as api_keys
from gatehouse.service_accounts.accounts import ServiceAccountChange
from gatehouse.service_accounts.keys import NewKey
from gatehouse.tokens import keys
from gatehouse.web.rate_limit_storage import DatabaseCounters
from gatehouse.web.request_context import NO_REQUEST
from models import (
    AuditEvent,
    ExternalIdentity,
    GrantStatusEntry,
    LimitCounter,
    LogoutNotification,
    OAuthClient,
    OAuthClientSecret,
    OAuthConsent,
    OAuthGrant,
    OAuthResource,
    PairwiseSubject,
    Permission,
    Role,
    RoleAssignment,
    RoleParent,
    RolePermission,
    SigningKey,
    UsedClientAssertion,
)
from models import User as Account
from tests.child_processes import PythonProcess
from tests.client import PASSWORD, User
from tests.conftest import environment
from tests.rows import rows
from tests.surface.conftest import read_tables

BEFORE_ACTORS = "0005"
BUILT_IN_ROLES = {"user", "support", "auditor", "admin"}
PREPARE = """
from app import create_app
from gatehouse.cli.serve import prepare_database
with create_app().app_context():
    prepare_database()
"""


def tables(app):
    """Return the names of all tables."""
    with app.app_context():
        return set(inspect(db.engine).get_table_names())


def fill(app, client):
    """Use the service so that every table has rows."""
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
    client.post("/auth/register", eve, headers={"Idempotency-Key": "0123456789-of-eve-0123456789"})
    client.post("/auth/login", {"identifier": "ada", "password": "a wrong guess"})
    with app.app_context():
        DatabaseCounters("db://").incr("a client", 60)
        with write_transaction():
            sms_budget.charge("+4915112345678", NO_REQUEST, is_code=True)
        db.session.commit()
        ada_id = rows(app, Account, email_canonical="ada@example.com")[0].id
        identity = {"issuer": "https://idp.example.com", "subject": "ada", "provider": "example"}
        db.session.add(ExternalIdentity(user_id=ada_id, **identity))
        db.session.commit()
        for row in (
            Permission(name="orders:read", description="Read orders."),
            RolePermission(role="support", permission="orders:read"),
            RoleParent(role="support", parent="auditor"),
        ):
            db.session.add(row)
        db.session.commit()
        account = ServiceAccountChange("deploy", "Deploys.", ada_id)
        account_id = accounts.create_account(account, NO_REQUEST).id
        api_keys.create_key(account_id, NewKey("CI", ()), NO_REQUEST)
        db.session.commit()
        hook = HookChange("crm", "https://hooks.example.com", events=["*"])
        hooks.create_hook("webhook", hook, NO_REQUEST)
        db.session.commit()
        for row in oauth_rows(ada_id):
            db.session.add(row)
            db.session.flush()
        db.session.commit()
        publish(UserCreated(ada_id, NO_REQUEST))
        db.session.commit()
        captcha.consume_answer(VerifiedAnswer("an answer", clock.now()))


def downgrade(app):
    with app.app_context():
        flask_migrate.downgrade(revision="base")


def upgrade(app):
    with app.app_context():
        flask_migrate.upgrade()


@pytest.mark.stores
def test_migrations_create_the_schema_of_the_models(app):
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


def oauth_rows(user_id):
    """Return a row of each table of the authorization server."""
    now = clock.now()
    client = OAuthClient(id="shop", name="Shop", kind="web", authentication_method="none")
    client.redirect_uris = client.post_logout_redirect_uris = client.resources = []
    client.grant_types, client.response_modes, client.scopes = [], [], ["openid"]
    client.consent, client.subject_type, client.id_token_algorithm = "once", "public", "ES256"
    client.access_token_lifetime = client.refresh_token_lifetime = client.grant_lifetime = 600
    grant = OAuthGrant(id=crypto.new_id(), client_id="shop", user_id=user_id, sid=crypto.new_id())
    grant.subject, grant.scopes, grant.resources, grant.request = "ada", ["openid"], [], {}
    grant.authenticated_at = grant.code_expires_at = grant.idle_at = grant.expires_at = now
    grant.amr, grant.acr, grant.code_digest = ["pwd"], "aal1", crypto.digest("a code")
    return (
        client,
        OAuthClientSecret(client_id="shop", digest=crypto.digest("a secret")),
        OAuthResource(audience="https://api.example.com", name="Orders", scopes={}),
        OAuthConsent(user_id=user_id, client_id="shop", scopes=["openid"], resources=[]),
        grant,
        GrantStatusEntry(grant_id=grant.id),
        PairwiseSubject(subject=crypto.new_id(), sector="example.com", user_id=user_id),
        UsedClientAssertion(digest=crypto.digest("an assertion"), expires_at=now),
        LogoutNotification(client_id="shop", user_id=user_id, subject="ada", sid=grant.sid),
    )


@pytest.mark.stores
def test_migrations_go_down_and_up_with_data_in_every_table(app, client):
    fill(app, client)
    full = {table: len(found) for table, found in read_tables(app).items()}

    downgrade(app)
    bare = tables(app)
    upgrade(app)
    again = {table: len(found) for table, found in read_tables(app).items()}

    assert all(full.values()), full
    assert bare == {"alembic_version"}
    assert tables(app) == {*Base.metadata.tables, "alembic_version"}
    seeded = {"roles", "role_catalog_version", "api_key_version", "profile_schema"}
    assert {table for table, count in again.items() if count} == seeded


@pytest.mark.stores
def test_migrations_keep_assigned_roles_and_invent_no_actor(app, client):
    fill(app, client)
    assigned = rows(app, RoleAssignment)
    recorded = rows(app, AuditEvent)

    with app.app_context():
        flask_migrate.downgrade(revision=BEFORE_ACTORS)
    upgrade(app)

    kept = [(row.subject_id, row.user_id, row.role, row.created_at) for row in assigned]
    found = rows(app, RoleAssignment)
    assert [(row.subject_id, row.user_id, row.role, row.created_at) for row in found] == kept
    assert [(row.subject_kind, row.role, row.id.version) for row in found] == [("user", "admin", 7)]
    assert [row.id for row in rows(app, AuditEvent)] == [row.id for row in recorded]
    assert {(row.actor_kind, row.actor_id) for row in rows(app, AuditEvent)} == {(None, None)}


@pytest.mark.stores
def test_migrations_leave_a_working_service_after_down_and_up(app, client):
    downgrade(app)
    upgrade(app)
    with app.app_context():
        with write_transaction():
            keys.ensure_keys()
        db.session.commit()
    app.extensions["gatehouse.tokens"].key_set = None

    fill(app, client)

    assert {role.name for role in rows(app, Role)} == BUILT_IN_ROLES
    assert client.log_in(User("root@example.com"))["user"]["roles"] == ["admin", "user"]


@pytest.mark.stores
def test_migrations_change_nothing_when_run_again(app, client):
    fill(app, client)
    before = read_tables(app)

    upgrade(app)

    assert read_tables(app) == before


@pytest.mark.stores
def test_migrations_run_once_when_four_replicas_start_together(app, store, tmp_path):
    downgrade(app)
    environ = {"PATH": os.environ["PATH"], **environment(store)}
    output = tmp_path / "output"
    starting = [PythonProcess(["-c", PREPARE], environ, output) for _ in range(4)]

    assert [process.wait(100) for process in starting] == [0] * 4, output.read_text()
    with app.app_context():
        assert len(db.session.execute(text("SELECT * FROM alembic_version")).all()) == 1
        assert [stage for _, stage in keys.list_keys()] == ["active", "next"] * 2
    assert len(rows(app, SigningKey)) == 4
    assert {role.name for role in rows(app, Role)} == BUILT_IN_ROLES
    assert rows(app, LimitCounter) == []


def test_migrations_leave_foreign_keys_enforced_on_sqlite(app):
    downgrade(app)
    upgrade(app)

    with app.app_context():
        assert db.session.execute(text("PRAGMA foreign_keys")).scalar() == 1
