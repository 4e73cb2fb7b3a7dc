"""What causes the audit events of the sessions of applications."""

from typing import Any

import sqlalchemy as sa

from gatehouse.audit.oauth_events import OAuth
from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.oauth import logout_queue
from gatehouse.oauth.logout_queue import LogoutFailed
from models import LogoutNotification, OAuthClient, OAuthGrant
from tests.audit.event_scenarios import Scenario, causes
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.grants import authorize_grant, create_code


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


def redeem_code(scenario: Scenario, again: bool = False) -> dict[str, Any]:
    """Exchange a code for tokens, once or twice."""
    client = add_row(scenario.app, OAuthClient(**client_columns(authentication_method="none")))
    code = create_code(scenario.app, client.id, scenario.tokens()["access_token"])
    form = {"grant_type": "authorization_code", "client_id": client.id, "code": code}
    answers = [scenario.app.test_client().post("/oauth2/token", data=form)]
    if again:
        answers.append(scenario.app.test_client().post("/oauth2/token", data=form))
    return dict(answers[0].json)


def refresh(scenario: Scenario, token: str) -> None:
    """Exchange a refresh token."""
    form = {"grant_type": "refresh_token", "client_id": "shop", "refresh_token": token}
    scenario.app.test_client().post("/oauth2/token", data=form)


@causes(OAuth.REDEEMED)
def code_is_redeemed(scenario: Scenario) -> None:
    redeem_code(scenario)


@causes(OAuth.AUTHORIZED)
def application_is_authorized(scenario: Scenario) -> None:
    redeem_code(scenario)


@causes(OAuth.CODE_REUSED)
def code_is_reused(scenario: Scenario) -> None:
    redeem_code(scenario, again=True)


@causes(OAuth.REFRESHED)
def grant_is_refreshed(scenario: Scenario) -> None:
    refresh(scenario, redeem_code(scenario)["refresh_token"])


@causes(OAuth.TOKEN_REUSED)
def refresh_token_is_reused(scenario: Scenario) -> None:
    token = redeem_code(scenario)["refresh_token"]
    refresh(scenario, token)
    with scenario.app.app_context():
        db.session.execute(sa.update(OAuthGrant).values(used_tokens=""))
        db.session.commit()
    refresh(scenario, token)


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
