"""Refreshes whose response was lost for longer than the reuse interval."""

import pytest

from models import Session
from tests.rows import audited, rows
from tests.sessions.token_responses import token_claims
from tests.tokens.forgery import assert_rejected

pytestmark = pytest.mark.requirement("OA-08")


@pytest.fixture
def refresh_from_device(client, tokens):
    """Refresh from the device that logged in: refresh_from_device(response)."""

    def refresh_from_device(response, device=tokens["device_token"]):
        form = {"refresh_token": response["refresh_token"]}
        return client.post("/auth/refresh", form, headers={"X-Device-Token": device})

    return refresh_from_device


@pytest.fixture
def lost(client, tokens, wait):
    """The response to the first refresh, which the owner did not get, more than 10 s ago."""
    response = client.renew(tokens)
    wait(seconds=11)
    return response


@pytest.mark.stores
def test_lost_answer_is_replaced_for_the_own_device(app, client, tokens, lost, refresh_from_device):
    replacement = refresh_from_device(tokens).json

    old, new = token_claims(lost), token_claims(replacement)
    assert (new["sid"], new["sub"]) == (old["sid"], old["sub"])
    assert new["jti"] != old["jti"]
    [event] = audited(app, "session.refresh_replaced")
    assert str(event.session_id) == new["sid"]
    assert client.refresh(replacement).status_code == 200


@pytest.mark.stores
def test_lost_answer_that_reached_a_thief_ends_the_session(
    app, client, tokens, lost, refresh_from_device
):
    replacement = refresh_from_device(tokens).json

    assert_rejected(refresh_from_device(lost), "refresh_token_reused")

    assert_rejected(client.refresh(replacement), "session_ended")
    assert rows(app, Session)[0].end_reason == "refresh_token_reused"


@pytest.mark.stores
def test_thief_and_owner_who_alternate_are_caught_at_the_second_refresh(
    client, tokens, lost, refresh_from_device, wait
):
    stolen = refresh_from_device(tokens).json  # a thief with the device token, too
    wait(seconds=11)
    thief = client.renew(stolen)
    wait(seconds=11)

    assert_rejected(refresh_from_device(lost), "refresh_token_reused")  # the owner

    assert_rejected(client.refresh(thief), "session_ended")


@pytest.mark.stores
def test_lost_answer_is_not_replaced_after_its_token_was_used(
    client, tokens, lost, refresh_from_device
):
    client.renew(lost)

    assert_rejected(refresh_from_device(tokens), "refresh_token_reused")


def test_lost_answer_is_not_replaced_without_a_device_token(client, tokens, lost):
    assert_rejected(client.refresh(tokens), "refresh_token_reused")


def test_lost_answer_is_not_replaced_for_a_second_device_of_the_user(
    client, user, tokens, lost, refresh_from_device
):
    other = client.log_in(user)

    rejected = refresh_from_device(tokens, other["device_token"])

    assert_rejected(rejected, "refresh_token_reused")


@pytest.mark.stores
def test_lost_answers_are_replaced_twice_in_24_hours(
    client, tokens, lost, refresh_from_device, wait
):
    for _ in range(2):
        assert refresh_from_device(tokens).status_code == 200
        wait(hours=12, seconds=-1)

    assert_rejected(refresh_from_device(tokens), "refresh_token_reused")


@pytest.mark.stores
def test_lost_answers_are_replaced_again_after_24_hours(tokens, lost, refresh_from_device, wait):
    for _ in range(3):
        assert refresh_from_device(tokens).status_code == 200
        wait(hours=12)


@pytest.mark.settings(GATEHOUSE_REFRESH_REUSE_INTERVAL="0")
def test_lost_answer_is_not_replaced_with_an_interval_of_zero(tokens, lost, refresh_from_device):
    assert_rejected(refresh_from_device(tokens), "refresh_token_reused")


@pytest.mark.stores
def test_lost_answer_is_replaced_for_a_browser(browser_client, cookie_tokens, wait):
    mine = browser_client.as_(cookie_tokens)
    lost = mine.post("/auth/refresh")
    wait(seconds=11)

    again = mine.post("/auth/refresh")

    assert (lost.status_code, again.status_code) == (200, 200)


@pytest.mark.stores
def test_lost_answer_is_replaced_once_for_tabs_that_ask_together(
    app, client, tokens, lost, refresh_from_device
):
    form, headers = (
        {"refresh_token": tokens["refresh_token"]},
        {"X-Device-Token": tokens["device_token"]},
    )

    responses = client.in_parallel(20, "/auth/refresh", form, headers=headers)

    assert [response.status_code for response in responses] == [200] * 20
    assert len({token_claims(response.json)["jti"] for response in responses}) == 1
    assert len(audited(app, "session.refresh_replaced")) == 1
    assert_rejected(client.refresh(tokens), "refresh_token_reused")  # without the device token
