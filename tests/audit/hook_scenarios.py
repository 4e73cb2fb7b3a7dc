"""What causes the audit events of hooks."""

from datetime import timedelta
from uuid import UUID

from gatehouse.audit.administration_events import Hooks
from gatehouse.hooks import definitions
from gatehouse.hooks.definitions import HookChange
from gatehouse.web.request_context import NO_REQUEST
from models import Hook
from tests.audit.event_scenarios import Scenario, causes
from tests.audit.role_scenarios import administer
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
