"""What causes the audit events of hooks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from gatehouse.audit.administration_events import Hooks
from gatehouse.core import clock
from gatehouse.core.events import UserChanged, publish
from gatehouse.database.session import db, write_transaction
from gatehouse.hooks import definitions, deliveries, delivery_queue, kinds
from gatehouse.hooks.definitions import HookChange
from gatehouse.hooks.deliveries import ReplayRequest
from gatehouse.hooks.sending import WebhookFailed
from gatehouse.settings.parsers import egress_destinations
from gatehouse.web.request_context import NO_REQUEST
from models import Hook, WebhookDelivery
from tests.audit.event_scenarios import Scenario, causes
from tests.audit.role_scenarios import administer
from tests.loopback_server import http_response, loopback_server, respond_with
from tests.rows import rows


def create_webhook(scenario: Scenario) -> UUID:
    """Create a webhook, and return its id."""
    change = HookChange("crm", "https://hooks.example.com", events=["*"])
    administer(scenario, lambda: definitions.create_hook("webhook", change, NO_REQUEST))
    [hook] = rows(scenario.app, Hook)
    hook_id: UUID = hook.id
    return hook_id


@causes(Hooks.CREATED)
def hook_is_created(scenario: Scenario) -> None:
    create_webhook(scenario)


@causes(Hooks.CHANGED)
def hook_is_changed(scenario: Scenario) -> None:
    hook_id, change = create_webhook(scenario), HookChange(enabled=False)
    administer(scenario, lambda: definitions.change_hook(hook_id, change, NO_REQUEST))


@causes(Hooks.DELETED)
def hook_is_deleted(scenario: Scenario) -> None:
    hook_id = create_webhook(scenario)
    administer(scenario, lambda: definitions.delete_hook(hook_id, NO_REQUEST))


@causes(Hooks.SECRET_ROTATED)
def hook_secret_is_rotated(scenario: Scenario) -> None:
    hook_id, overlap = create_webhook(scenario), timedelta(hours=1)
    administer(scenario, lambda: definitions.rotate_secret(hook_id, overlap, NO_REQUEST))


def register_with_hook(scenario: Scenario, port: int) -> None:
    """Register while a hook before it sends to this port."""
    settings = scenario.app.extensions["gatehouse.settings"]
    allowed = replace(settings, egress_allowlist=egress_destinations(f"localhost:{port}"))
    scenario.app.extensions["gatehouse.settings"] = allowed
    change = HookChange("rule", f"http://localhost:{port}/", on_failure="deny")
    kind = kinds.BEFORE_REGISTRATION
    administer(scenario, lambda: definitions.create_hook(kind, change, NO_REQUEST))
    assert scenario.client.register("bob@example.com").status_code == 403


@causes(Hooks.DENIED)
def hook_denies(scenario: Scenario) -> None:
    answer = respond_with(http_response(b'{"decision": "deny"}'))
    with loopback_server(answer) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "MILLISECOND", 0.1)
        register_with_hook(scenario, server.port)


@causes(Hooks.FAILED)
def hook_fails(scenario: Scenario) -> None:
    with loopback_server(respond_with(http_response(b"", "500 Failed"))) as server:
        register_with_hook(scenario, server.port)


@causes(Hooks.TESTED)
def webhook_is_tested(scenario: Scenario) -> None:
    hook_id = create_webhook(scenario)
    with scenario.app.app_context():
        set_hook(url="https://127.0.0.1")
        deliveries.send_test(hook_id, NO_REQUEST)


@causes(Hooks.REPLAYED)
def events_are_replayed(scenario: Scenario) -> None:
    hook_id, since = create_webhook(scenario), clock.UNIX_EPOCH
    request = ReplayRequest(since=since)
    administer(scenario, lambda: deliveries.replay_events(hook_id, request, NO_REQUEST))


@causes(Hooks.PAUSED)
def webhook_is_paused(scenario: Scenario) -> None:
    fail_delivery(
        scenario, 503, lambda: set_hook(failing_since=clock.now() - delivery_queue.PAUSE_AFTER)
    )


@causes(Hooks.GONE)
def webhook_is_gone(scenario: Scenario) -> None:
    fail_delivery(scenario, 410)


@causes(Hooks.DELIVERY_ABANDONED)
def delivery_is_abandoned(scenario: Scenario) -> None:
    fail_delivery(
        scenario, 503, lambda: db.session.execute(sa.update(WebhookDelivery).values(attempts=9))
    )


def set_hook(**values: object) -> None:
    """Set columns of the only hook."""
    db.session.execute(sa.update(Hook).values(**values))
    db.session.commit()


def fail_delivery(
    scenario: Scenario, status: int, prepare: Callable[[], object] = lambda: None
) -> None:
    """Publish an event, and let its delivery fail."""
    hook_id = create_webhook(scenario)
    with scenario.app.app_context():
        with write_transaction():
            publish(UserChanged(UUID(int=1), NO_REQUEST, ("name",)))
        db.session.commit()
        prepare()
        db.session.commit()
        with write_transaction():
            [lease] = delivery_queue.lease_deliveries(hook_id, 1)
        db.session.commit()
        with write_transaction():
            delivery_queue.mark_failed(lease, WebhookFailed("It failed.", status))
        db.session.commit()
