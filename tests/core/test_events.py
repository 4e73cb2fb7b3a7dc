"""Domain events: handlers run in the publisher's transaction, in order, and can roll it back."""

from dataclasses import dataclass
from unittest.mock import ANY

import pytest
import sqlalchemy as sa

from gatehouse.core.events import SessionEnded, publish, subscribe
from gatehouse.database.session import db
from gatehouse.hooks.catalog import SOURCES
from models import Role, Session
from tests.rows import audited, rows

pytestmark = pytest.mark.alters_the_application


@dataclass(frozen=True)
class RoleRenamed:
    """A probe."""

    name: str


def test_event_reaches_its_subscribers_in_the_order_of_subscription(app):
    received = []
    for number in (1, 2, 3):
        subscribe(app, RoleRenamed, lambda event, n=number: received.append((n, event.name)))

    with app.app_context():
        publish(RoleRenamed("auditor"))

    assert received == [(1, "auditor"), (2, "auditor"), (3, "auditor")]


def test_event_without_subscribers_has_no_effect(app):
    with app.app_context():
        publish(RoleRenamed("auditor"))


def test_event_is_published_to_the_subscribers_of_its_own_application(app):
    assert RoleRenamed not in app.extensions["gatehouse.events"]


def test_event_handler_runs_in_the_transaction_of_the_publisher(app):
    def rename(event):
        db.session.execute(sa.update(Role).values(description=event.name))

    subscribe(app, RoleRenamed, rename)

    with app.app_context():
        publish(RoleRenamed("renamed"))
        db.session.rollback()

    assert "renamed" not in {role.description for role in rows(app, Role)}


@pytest.mark.stores
def test_session_is_not_ended_if_a_subscriber_fails(app, client, make_user):
    received = []

    def fail(event):
        received.append(event)
        raise RuntimeError

    tokens = client.log_in(make_user())
    subscribe(app, SessionEnded, fail)

    response = client.as_(tokens).post("/auth/logout")

    [session] = rows(app, Session)
    assert response.status_code == 500
    assert session.ended_at is None
    assert audited(app, "session.ended") == []
    assert received == [SessionEnded(session.id, session.user_id, "logout", ANY)]
    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_subscriptions_of_the_service(app):
    """`app.SUBSCRIPTIONS` is the one list of who reacts; this names what must not get lost."""
    subscribed = {
        (event_type.__name__, f"{handler.__module__}.{handler.__name__}")
        for event_type, handlers in app.extensions["gatehouse.events"].items()
        for handler in handlers
    }

    assert subscribed == {
        ("SessionEnded", "gatehouse.tokens.revocation.revoke_access_tokens"),
        ("SessionEnded", "gatehouse.oauth.application_sessions.end_grants_of_session"),
        ("CredentialChanged", "gatehouse.oauth.application_sessions.end_grants_after_change"),
        ("UserDisabled", "gatehouse.oauth.application_sessions.end_grants_of_disabled_user"),
        ("UserErased", "gatehouse.oauth.logout_queue.forget_user"),
        ("CredentialChanged", "gatehouse.sessions.service.end_other_sessions"),
        ("CredentialChanged", "gatehouse.devices.service.withdraw_trust"),
        ("UserDisabled", "gatehouse.authorization.administrators.keep_another_administrator"),
        ("UserDisabled", "gatehouse.sessions.service.end_sessions_of_disabled_user"),
        ("UserDisabled", "gatehouse.devices.service.withdraw_trust"),
        ("UserDisabled", "gatehouse.account.access_revocation.delete_codes_of_disabled_user"),
        ("UserDisabled", "gatehouse.service_accounts.accounts.follow_owner"),
        ("WebhookPaused", "gatehouse.users.operator_notices.announce_pause"),
        ("UserErased", "gatehouse.hooks.publishing.forget_user"),
        *((source.__name__, "gatehouse.hooks.publishing.deliver_event") for source in SOURCES),
        ("AuthorizationChanged", "gatehouse.sessions.impersonation.end_unauthorized"),
    }
