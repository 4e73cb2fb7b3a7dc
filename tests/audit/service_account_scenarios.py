"""What causes the audit events of service accounts and API keys."""

from datetime import timedelta

from sqlalchemy import update

from gatehouse.audit.administration_events import ServiceAccounts
from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.service_accounts import accounts, expiry_notices, key_usage, keys
from gatehouse.service_accounts.accounts import ServiceAccountChange
from gatehouse.service_accounts.keys import KeyRef, NewKey
from gatehouse.web.request_context import NO_REQUEST
from models import ApiKey, User
from tests.audit.event_scenarios import Scenario, causes
from tests.audit.role_scenarios import administer
from tests.rows import rows


def create_account(scenario: Scenario) -> None:
    """Create a service account of Ada's."""
    scenario.ada()
    [ada] = rows(scenario.app, User)
    change = ServiceAccountChange("deploy", "x", ada.id, roles=[])
    administer(scenario, lambda: accounts.create_account(change, NO_REQUEST))


def create_key(scenario: Scenario) -> KeyRef:
    """Create a service account and a key."""
    create_account(scenario)
    with scenario.app.app_context():
        [account] = accounts.list_accounts(1)[0]
        key = keys.create_key(account.id, NewKey("CI", ()), NO_REQUEST)
        db.session.commit()
        return KeyRef(account.id, key.row.id)


@causes(ServiceAccounts.CREATED)
def service_account_is_created(scenario: Scenario) -> None:
    create_account(scenario)


@causes(ServiceAccounts.CHANGED)
def service_account_is_changed(scenario: Scenario) -> None:
    ref = create_key(scenario)
    change = ServiceAccountChange(enabled=False)
    administer(scenario, lambda: accounts.change_account(ref.account_id, change, NO_REQUEST))


@causes(ServiceAccounts.DELETED)
def service_account_is_deleted(scenario: Scenario) -> None:
    ref = create_key(scenario)
    administer(scenario, lambda: accounts.delete_account(ref.account_id, NO_REQUEST))


@causes(ServiceAccounts.KEY_CREATED)
def api_key_is_created(scenario: Scenario) -> None:
    create_key(scenario)


@causes(ServiceAccounts.KEY_REVOKED)
def api_key_is_revoked(scenario: Scenario) -> None:
    ref = create_key(scenario)
    administer(scenario, lambda: keys.revoke_key(ref, NO_REQUEST))


@causes(ServiceAccounts.KEY_REJECTED)
def api_key_is_rejected(scenario: Scenario) -> None:
    scenario.client.as_("ghk_unknown").get("/admin/users")
    administer(scenario, key_usage.write_usage)


@causes(ServiceAccounts.EXPIRY_ANNOUNCED)
def api_key_expires_soon(scenario: Scenario) -> None:
    create_key(scenario)
    with scenario.app.app_context():
        db.session.execute(update(ApiKey).values(expires_at=clock.now() + timedelta(days=9)))
        db.session.commit()
    administer(scenario, expiry_notices.announce_due)
