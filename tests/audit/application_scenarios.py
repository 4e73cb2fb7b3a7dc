"""What causes the audit events of the sessions of applications."""

import sqlalchemy as sa

from gatehouse.audit.oauth_events import OAuth
from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.oauth import logout_queue
from gatehouse.oauth.logout_queue import LogoutFailed
from models import LogoutNotification, OAuthClient
from tests.audit.event_scenarios import Scenario, causes
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.grants import authorize_grant


def sign_out_of_shop(scenario: Scenario) -> None:
    """Sign in to a client that wants to be notified, and sign out."""
    uri = "https://shop.example.com/logged-out"
    add_row(scenario.app, OAuthClient(**client_columns(backchannel_logout_uri=uri)))
    tokens = scenario.tokens()
    authorize_grant(scenario.app, "shop", tokens["access_token"])
    scenario.post("/auth/logout", {}, tokens)


@causes(OAuth.GRANT_ENDED)
def grant_ends(scenario: Scenario) -> None:
    sign_out_of_shop(scenario)


@causes(OAuth.ACCESS_REVOKED)
def access_is_revoked(scenario: Scenario) -> None:
    add_row(scenario.app, OAuthClient(**client_columns()))
    tokens = scenario.tokens()
    grant_id = authorize_grant(scenario.app, "shop", tokens["access_token"])
    scenario.client.as_(tokens).delete(f"/auth/grants/{grant_id}")


@causes(OAuth.LOGOUT_ABANDONED)
def logout_is_abandoned(scenario: Scenario) -> None:
    sign_out_of_shop(scenario)
    with scenario.app.app_context():
        last = len(logout_queue.RETRY_DELAYS)
        change = sa.update(LogoutNotification)
        db.session.execute(change.values(attempts=last, next_attempt_at=clock.now()))
        db.session.commit()
        with write_transaction():
            [lease] = logout_queue.lease_notifications("shop", 1)
        db.session.commit()
        with write_transaction():
            logout_queue.mark_failed(lease, LogoutFailed("It failed.", 503))
        db.session.commit()
