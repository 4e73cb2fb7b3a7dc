"""What causes the audit events of roles and permissions."""

from collections.abc import Callable
from datetime import timedelta

from gatehouse.audit import retention
from gatehouse.audit.administration_events import Administration, Authorization, Impersonation
from gatehouse.authorization import assignments, definitions
from gatehouse.authorization.assignments import Assignment
from gatehouse.authorization.catalog import PermissionDefinition
from gatehouse.authorization.definitions import PermissionChange, RoleChange
from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.users import profile_schema_store
from gatehouse.web.request_context import NO_REQUEST
from models import User as Account
from tests.audit.event_scenarios import ADA, Scenario, causes
from tests.client import Client, User
from tests.rows import rows
from tests.user_accounts import create_user

READ = "orders:read"


def administer(scenario: Scenario, *acts: Callable[[], object]) -> None:
    """Act as an operator, in transactions of their own."""
    with scenario.app.app_context():
        for act in acts:
            act()
            db.session.commit()


def create_role() -> None:
    definitions.create_role("clerk", RoleChange("x"), NO_REQUEST)


def create_permission() -> None:
    definitions.create_permission(PermissionDefinition(READ, "x"), NO_REQUEST)


@causes(Authorization.ROLE_CREATED)
def role_is_created(scenario: Scenario) -> None:
    administer(scenario, create_role)


@causes(Authorization.ROLE_CHANGED)
def role_is_changed(scenario: Scenario) -> None:
    change = RoleChange(parents=frozenset({"support"}))
    administer(scenario, create_role, lambda: definitions.change_role("clerk", change, NO_REQUEST))


@causes(Authorization.ROLE_DELETED)
def role_is_deleted(scenario: Scenario) -> None:
    administer(scenario, create_role, lambda: definitions.delete_role("clerk", NO_REQUEST))


@causes(Authorization.PERMISSION_CREATED)
def permission_is_created(scenario: Scenario) -> None:
    administer(scenario, create_permission)


@causes(Authorization.PERMISSION_CHANGED)
def permission_is_changed(scenario: Scenario) -> None:
    change = PermissionChange("Read orders.")
    administer(
        scenario,
        create_permission,
        lambda: definitions.change_permission(READ, change, NO_REQUEST),
    )


@causes(Authorization.PERMISSION_DELETED)
def permission_is_deleted(scenario: Scenario) -> None:
    administer(scenario, create_permission, lambda: definitions.delete_permission(READ, NO_REQUEST))


def assign_support(scenario: Scenario) -> Callable[[], None]:
    scenario.ada()
    ada = rows(scenario.app, Account)[0].id
    return lambda: assignments.assign(ada, Assignment("support"), NO_REQUEST)


@causes(Authorization.ROLE_ASSIGNED)
def role_is_assigned(scenario: Scenario) -> None:
    administer(scenario, assign_support(scenario))


@causes(Authorization.ROLE_UNASSIGNED)
def role_is_unassigned(scenario: Scenario) -> None:
    assigned = assign_support(scenario)
    ada = rows(scenario.app, Account)[0].id
    administer(scenario, assigned, lambda: assignments.unassign(ada, "support", NO_REQUEST))


def impersonate_ada(scenario: Scenario) -> Client:
    """Let an administrator act as Ada, and return the client."""
    scenario.ada()
    root = create_user(scenario.app, User("root@example.com"), roles=["admin"])
    scenario.client.log_in(root)
    scenario.client.enrol_totp(root)
    administrator = scenario.client.as_(scenario.client.renew(root.tokens))
    [ada] = rows(scenario.app, Account, email=ADA)
    path = f"/admin/users/{ada.id}/impersonate"
    return scenario.client.as_(administrator.post(path, {"reason": "ticket 4711"}).json)


@causes(Impersonation.STARTED)
def impersonation_is_started(scenario: Scenario) -> None:
    impersonate_ada(scenario)


@causes(Impersonation.REFUSED)
def impersonation_is_refused(scenario: Scenario) -> None:
    impersonate_ada(scenario).post("/auth/mfa/recovery-codes")


@causes(Administration.PROFILE_SCHEMA_CHANGED)
def profile_schema_is_changed(scenario: Scenario) -> None:
    schema = {"type": "object", "properties": {"team": {"type": "string"}}}
    administer(scenario, lambda: profile_schema_store.replace_schema(schema, NO_REQUEST))


def purge_all() -> None:
    with write_transaction():
        retention.purge_events(clock.now() + timedelta(days=1))


@causes(Administration.AUDIT_PURGED)
def old_events_are_purged(scenario: Scenario) -> None:
    scenario.tokens()
    administer(scenario, purge_all)
