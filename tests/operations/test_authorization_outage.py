"""The database or Redis goes away in the middle of a sign-in to an application, and comes back."""

import pytest

from gatehouse.core import crypto
from models import OAuthClient, OAuthClientSecret
from tests.client import User
from tests.conftest import running
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.relying_party import RelyingParty, entries, secret_of
from tests.operations.conftest import statuses_of_all_workers
from tests.polling import wait_until
from tests.web.rate_limit_servers import running_server, stoppable_valkey


def register(server):
    """Register a client at a running server; return its relying party."""
    secret = {
        "id": crypto.new_id(),
        "client_id": "shop",
        "digest": crypto.digest(secret_of("shop")),
    }
    with running(server.environment) as app:
        registered = add_row(app, OAuthClient(**client_columns()), OAuthClientSecret(**secret))
    return RelyingParty(server.new_connection, registered, server.url)


@pytest.fixture
def party(server):
    return register(server)


@pytest.mark.requirement("OA-10")
def test_flow_is_repeated_after_an_outage_and_nothing_is_half_granted(cluster, server, party):
    ann = server.client.sign_up(User("ann@example.com"))
    first = party.sign_in(ann)
    page = party.start(prompt="login")
    code = party.authorize(prompt="none")["code"]
    sent = party.sent

    cluster.stop_server()
    answers = [
        party.exchange(code, code_verifier=sent.verifier),
        party.refresh(first["refresh_token"]),
        party.introspect(first["access_token"]),
        party.revoke(first["refresh_token"]),
        party.token(grant_type="client_credentials"),
        party.userinfo(first["access_token"]),
    ]
    shown = [
        party.browser.submit(page, entries(ann)).response,
        party.start().response,
        party.browser.visit(f"{party.issuer}/login").response,
    ]
    cluster.start_server()
    wait_until(lambda: statuses_of_all_workers(server.client, "/health/ready") == {200})

    assert [one.status_code for one in answers] == [503] * 6
    assert {one.json["error"] for one in answers} == {"temporarily_unavailable"}
    assert [one.status_code for one in shown] in ([503, 503, 503], [503, 503, 200])
    assert {one.mimetype for one in shown} == {"text/html"}
    party.sent = sent
    tokens = party.read_tokens(party.exchange(code, code_verifier=sent.verifier))
    assert party.introspect(tokens["access_token"]).json["active"]
    assert party.refresh(first["refresh_token"]).status_code == 200
    back = party.browser.walk(party.browser.visit(page.url), entries(ann))
    assert back.url.startswith(f"{party.redirect_uri}?code=")


@pytest.mark.requirement("CF-03")
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL=None, GATEHOUSE_WORKERS="1")
def test_sign_in_goes_on_while_redis_is_away(settings_environment, tmp_path):
    ann = User("ann@example.com")
    with (
        stoppable_valkey() as (url, start, stop),
        running_server(settings_environment, tmp_path, REDIS_URL=url) as server,
    ):
        party = register(server)
        server.client.sign_up(ann)
        page = party.start()

        stop()
        answer = party.read_answer(party.browser.walk(page, entries(ann)))
        tokens = party.read_tokens(party.exchange(answer["code"]))
        while_away = [
            party.exchange(answer["code"] + "x"),
            party.refresh(tokens["refresh_token"]),
            party.introspect(tokens["access_token"]),
            party.userinfo(tokens["access_token"]),
        ]
        start()
        again = party.authorize(prompt="none")

    assert [one.status_code for one in while_away] == [400, 200, 200, 200]
    assert "code" in again
    assert "Redis is unavailable" in (tmp_path / "server.log").read_text()
