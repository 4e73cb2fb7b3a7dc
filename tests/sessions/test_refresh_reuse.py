"""Reuse of a refresh token: its interval, and the end of the session after it."""

from uuid import UUID

import pytest

from models import Revocation, Session
from tests.rows import audited, rows
from tests.sessions.token_responses import token_claims
from tests.tokens.forgery import assert_rejected


@pytest.mark.requirement("OA-08")
def test_reuse_interval_starts_at_the_first_use(client, tokens, wait):
    client.renew(tokens)
    wait(seconds=6)
    client.renew(tokens)
    wait(seconds=6)

    assert_rejected(client.refresh(tokens), "refresh_token_reused")


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_reuse_after_the_interval_ends_the_session(app, client, tokens, wait):
    child = client.renew(tokens)
    session_id = UUID(token_claims(child)["sid"])
    wait(seconds=11)

    assert_rejected(client.refresh(tokens), "refresh_token_reused")

    assert_rejected(client.refresh(child), "session_ended")
    for response in (tokens, child):
        assert_rejected(client.as_(response).get("/auth/me"), "token_revoked")
    session = rows(app, Session)[0]
    assert (session.id, session.end_reason) == (session_id, "refresh_token_reused")
    assert [row.session_id for row in rows(app, Revocation)] == [session_id]


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_reuse_is_audited_with_the_end_of_the_session(app, client, tokens, wait):
    client.renew(tokens)
    wait(seconds=11)

    client.refresh(tokens)

    reused, ended = audited(app, "session.refresh_reused")[0], audited(app, "session.ended")[0]
    assert (reused.outcome, reused.details) == ("failure", {"code": "refresh_token_reused"})
    assert ended.details == {"reason": "refresh_token_reused"}
    for event in (reused, ended):
        assert event.session_id == UUID(token_claims(tokens)["sid"])
        assert event.user_id == UUID(token_claims(tokens)["sub"])
        assert event.request_id == reused.request_id


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_reuse_of_a_token_that_is_no_longer_stored_ends_the_session(app, client, tokens, wait):
    newest = client.renew(tokens)
    for _ in range(2):
        wait(minutes=6)
        newest = client.renew(newest)
    used_tokens = rows(app, Session)[0].used_tokens
    assert UUID(token_claims(tokens)["jti"]).hex not in used_tokens

    assert_rejected(client.refresh(tokens), "refresh_token_reused")

    assert_rejected(client.refresh(newest), "session_ended")


@pytest.mark.requirement("OA-08")
def test_reuse_ends_no_other_session(client, user, tokens, wait):
    other = client.log_in(user)
    client.renew(tokens)
    wait(seconds=11)

    client.refresh(tokens)

    assert client.as_(other).get("/auth/me").status_code == 200
    assert client.refresh(other).status_code == 200


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_REFRESH_REUSE_INTERVAL="0")
def test_reuse_interval_of_zero_makes_the_second_use_reuse(client, tokens):
    child = client.renew(tokens)

    assert_rejected(client.refresh(tokens), "refresh_token_reused")

    assert_rejected(client.refresh(child), "session_ended")


@pytest.mark.settings(GATEHOUSE_REFRESH_REUSE_INTERVAL="0")
def test_reuse_interval_of_zero_holds_with_a_clock_that_is_behind(client, tokens, wait):
    client.renew(tokens)
    wait(seconds=-1)  # the clock of another replica

    assert_rejected(client.refresh(tokens), "refresh_token_reused")


@pytest.mark.settings(GATEHOUSE_REFRESH_REUSE_INTERVAL="60")
def test_reuse_interval_is_configurable(client, tokens, wait):
    child = client.renew(tokens)
    wait(seconds=59)

    assert token_claims(client.renew(tokens)) == token_claims(child)

    wait(seconds=2)
    assert_rejected(client.refresh(tokens), "refresh_token_reused")


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_REFRESH_REUSE_INTERVAL="0")
@pytest.mark.requirement("OA-08")
def test_reuse_interval_of_zero_ends_the_session_for_parallel_refreshes(app, client, tokens):
    form = {"refresh_token": tokens["refresh_token"]}

    responses = client.in_parallel(20, "/auth/refresh", form)

    codes = sorted(response.json.get("code", "") for response in responses)
    assert codes[0] == ""
    assert set(codes[1:]) <= {"refresh_token_reused", "session_ended"}
    assert "refresh_token_reused" in codes
    assert len(audited(app, "session.refreshed")) == 1
    assert len(audited(app, "session.ended")) == 1
