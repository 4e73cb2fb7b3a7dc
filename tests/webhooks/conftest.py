"""Fixtures for webhooks: a receiver, a webhook, and events of users who do not exist."""

import pytest

from gatehouse.core.events import UserChanged, publish
from gatehouse.database.session import db, write_transaction
from gatehouse.hooks import definitions
from gatehouse.hooks.definitions import HookChange
from gatehouse.hooks.delivery_worker import WebhookWorker
from gatehouse.web.request_context import NO_REQUEST
from tests.net.conftest import resolve_names  # noqa: F401 - a fixture
from tests.webhook_receiver import webhook_receiver


@pytest.fixture
def receiver():
    with webhook_receiver() as running:
        yield running


@pytest.fixture
def create_webhook(app):
    """Create a webhook; returns its id and secret."""

    def create(url, name="crm", events=("*",)):
        with app.app_context():
            change = HookChange(name, url, events=list(events))
            created = definitions.create_hook("webhook", change, NO_REQUEST)
            db.session.commit()
            return created.row.id, created.secret

    return create


@pytest.fixture
def webhook(create_webhook, receiver):
    """The id of a webhook that gets all events."""
    return create_webhook(receiver.url)[0]


@pytest.fixture
def change_user(app):
    """Publish `user.changed` of a user, with the name of a field."""

    def change(user_id, *fields):
        with app.app_context():
            for field in fields:
                with write_transaction():
                    publish(UserChanged(user_id, NO_REQUEST, (str(field),)))
                db.session.commit()

    return change


@pytest.fixture
def deliver(app):
    """Deliver what is due; returns how many events were tried."""

    def run(worker=None):
        with app.app_context():
            return (worker or WebhookWorker()).deliver_due()

    return run
