"""What causes the audit events of the authorization server's clients."""

from gatehouse.audit.error_follow_up import follow_up
from gatehouse.audit.oauth_events import Clients
from gatehouse.oauth.client_authentication import ClientCredentials, authenticate_client
from gatehouse.oauth.errors import InvalidClient
from gatehouse.web.request_context import NO_REQUEST
from tests.audit.event_scenarios import Scenario, causes


@causes(Clients.REJECTED)
def client_is_rejected(scenario: Scenario) -> None:
    with scenario.app.test_request_context(environ_overrides={"gatehouse.request_id": "r"}):
        try:
            authenticate_client(ClientCredentials("shop", "wrong"))
        except InvalidClient as error:
            follow_up(error, NO_REQUEST)
