"""What causes the audit events of the authorization server's clients and resources."""

from datetime import timedelta

from sqlalchemy import update

from gatehouse.audit.error_follow_up import follow_up
from gatehouse.audit.oauth_events import Clients
from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.oauth import client_definitions, client_secrets, resources, secret_expiry_notices
from gatehouse.oauth.client_authentication import ClientCredentials, authenticate_client
from gatehouse.oauth.client_metadata import WEB, ClientChange
from gatehouse.oauth.errors import InvalidClient
from gatehouse.oauth.resources import ResourceChange
from gatehouse.web.request_context import NO_REQUEST
from models import OAuthClientSecret, OAuthResource
from tests.audit.event_scenarios import ADA, Scenario, causes
from tests.audit.role_scenarios import administer
from tests.client import User
from tests.rows import rows
from tests.user_accounts import create_user

AUDIENCE = "https://api.example.com"


def register(scenario: Scenario) -> None:
    """Register a client with a secret."""
    change = ClientChange(name="Shop", redirect_uris=["https://shop.example.com/callback"])
    administer(
        scenario, lambda: client_definitions.register_client("shop", WEB, change, NO_REQUEST)
    )


def add_resource(scenario: Scenario) -> None:
    """Register an API."""
    change = ResourceChange("Orders", {})
    administer(scenario, lambda: resources.create_resource(AUDIENCE, change, NO_REQUEST))


@causes(Clients.CREATED)
def client_is_registered(scenario: Scenario) -> None:
    register(scenario)


@causes(Clients.CHANGED)
def client_is_changed(scenario: Scenario) -> None:
    register(scenario)
    change = ClientChange(name="Store")
    administer(scenario, lambda: client_definitions.change_client("shop", change, NO_REQUEST))


@causes(Clients.DELETED)
def client_is_deleted(scenario: Scenario) -> None:
    register(scenario)
    administer(scenario, lambda: client_definitions.delete_client("shop", NO_REQUEST))


@causes(Clients.SECRET_CREATED)
def client_gets_a_secret(scenario: Scenario) -> None:
    register(scenario)


@causes(Clients.SECRET_REVOKED)
def client_loses_a_secret(scenario: Scenario) -> None:
    register(scenario)

    def revoke() -> None:
        with client_definitions.changing_client("shop", NO_REQUEST) as client:
            client_secrets.revoke_all(client, NO_REQUEST)

    administer(scenario, revoke)


@causes(Clients.SECRET_EXPIRY_ANNOUNCED)
def client_secret_expires_soon(scenario: Scenario) -> None:
    register(scenario)
    create_user(scenario.app, User(ADA), roles=["admin"])
    with scenario.app.app_context():
        soon = clock.now() + timedelta(days=9)
        db.session.execute(update(OAuthClientSecret).values(expires_at=soon))
        db.session.commit()
    administer(scenario, secret_expiry_notices.announce_due)


@causes(Clients.REJECTED)
def client_is_rejected(scenario: Scenario) -> None:
    with scenario.app.test_request_context(environ_overrides={"gatehouse.request_id": "r"}):
        try:
            authenticate_client(ClientCredentials("shop", "wrong"))
        except InvalidClient as error:
            follow_up(error, NO_REQUEST)


@causes(Clients.RESOURCE_CREATED)
def resource_is_registered(scenario: Scenario) -> None:
    add_resource(scenario)


@causes(Clients.RESOURCE_CHANGED)
def resource_is_changed(scenario: Scenario) -> None:
    add_resource(scenario)
    [row] = rows(scenario.app, OAuthResource)
    change = ResourceChange("Sales")
    administer(scenario, lambda: resources.change_resource(row.id, change, NO_REQUEST))


@causes(Clients.RESOURCE_DELETED)
def resource_is_deleted(scenario: Scenario) -> None:
    add_resource(scenario)
    [row] = rows(scenario.app, OAuthResource)
    administer(scenario, lambda: resources.delete_resource(row.id, NO_REQUEST))
