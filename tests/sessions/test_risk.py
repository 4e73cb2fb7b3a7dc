"""Risk of a session is assessed again when its network or browser changes, at no cost else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from models import Session
from tests.client import PASSWORD
from tests.conftest import marked_settings
from tests.login.risk_applications import apply_policy, risk_environment, with_policy
from tests.login.test_risk import ADA, AWAY, CURL, FIREFOX, GEO_HEADERS, HOME
from tests.rows import audited, rows
from tests.statements import statements_of

OFFICE, BOTNET = "192.0.3.1", "203.0.113.7"
NEWER = "Firefox/141.0.1"
DECISIONS = ("session.location_changed", "session.downgraded", "session.refused")
pytestmark = pytest.mark.requirement("AZ-07")


@pytest.fixture
def settings_environment(store, request, tmp_path_factory):
    environ = risk_environment(store, tmp_path_factory.getbasetemp())
    return environ | marked_settings(request)


@pytest.fixture
def app(app, request, tmp_path):
    """An application with a policy, as in `@with_policy(...)`, and a GeoIP file."""
    return apply_policy(app, request, tmp_path)


def request_from(ip_address, user_agent, headers=()):
    merged = {"User-Agent": user_agent, **dict(headers)}
    return {"headers": merged, "environ_overrides": {"REMOTE_ADDR": ip_address}}


@pytest.fixture
def ada(client, make_user):
    """A user who is signed in from the home network."""
    user = make_user(email=ADA)
    form = {"identifier": ADA, "password": PASSWORD}
    user.tokens = client.post("/auth/login", form, **request_from(HOME, FIREFOX)).json
    return user


@pytest.fixture
def refresh_from(client, ada):
    """Refresh from an IP address: refresh_from(AWAY, CURL); the user gets the new tokens."""

    def refresh_from(ip_address=HOME, user_agent=FIREFOX, headers=()):
        form = {"refresh_token": ada.tokens["refresh_token"]}
        response = client.post(
            "/auth/refresh", form, **request_from(ip_address, user_agent, headers)
        )
        ada.tokens = response.json if response.status_code == 200 else ada.tokens
        return response

    return refresh_from


def last_details(app):
    """Return the details of the newest decision."""
    return audited(app, *DECISIONS)[-1].details


def notifications(client):
    """Return the notifications about a changed location."""
    return [m for m in client.mailbox(to=ADA) if m["template"] == "notice_session_moved"]


def select_statements(sent):
    return [text for text in sent if text.startswith("SELECT")]


def count_history_reads(sent):
    """Return how many statements read the history of logins."""
    return len([text for text in sent if "FROM audit_events" in text])


# When the risk is assessed, and what it costs


@pytest.mark.stores
def test_risk_is_read_under_the_lock_only_when_the_network_changes(app, ada, refresh_from):
    refresh_from()

    stayed, moved, again = (
        statements_of(app, partial(refresh_from, where)) for where in (HOME, OFFICE, OFFICE)
    )

    assert again == stayed
    assert len(select_statements(moved)) == 2  # the session under its lock, and the history
    assert count_history_reads(stayed) == 0
    assert count_history_reads(moved) == 1


@pytest.mark.stores
def test_risk_is_only_audited_by_the_default_policy(app, client, ada, refresh_from):
    response = refresh_from(AWAY, CURL)

    assert response.status_code == 200
    [event] = audited(app, *DECISIONS)
    assert (event.name, event.ip_address, event.user_agent) == (
        "session.location_changed",
        AWAY,
        CURL,
    )
    assert str(event.user_id) == response.json["user"]["id"]
    assert event.session_id == rows(app, Session)[0].id
    assert event.details == {
        "decision": "allow",
        "facts": {},
        "findings": {
            "changed_user_agent": "The session was used with Firefox, and continues with curl.",
            "impossible_travel": event.details["findings"]["impossible_travel"],
            "new_country": "No recent login came from the country AU.",
            "new_network": "No recent login came from the network 198.51.100.0/24.",
        },
    }
    assert notifications(client) == []


def test_risk_is_not_assessed_for_a_browser_update_or_a_neighbouring_ip_address(
    app, ada, refresh_from
):
    assert count_history_reads(statements_of(app, partial(refresh_from, "192.0.2.99", NEWER))) == 0
    assert audited(app, *DECISIONS) == []


def test_risk_of_a_network_is_not_reduced_by_a_refresh_from_it(app, ada, refresh_from):
    refresh_from(OFFICE)
    refresh_from(HOME)

    refresh_from(OFFICE)

    assert [event.ip_address for event in audited(app, *DECISIONS)] == [OFFICE, OFFICE]


@with_policy('new_network = "captcha"')
@pytest.mark.stores
@pytest.mark.parametrize("user_agents", [[FIREFOX], [FIREFOX, CURL], []], ids=len)
def test_risk_of_a_login_is_not_reduced_by_a_stolen_session(client, ada, refresh_from, user_agents):
    for agent in user_agents:
        assert refresh_from(BOTNET, agent).status_code == 200

    form = {"identifier": ADA, "password": PASSWORD}
    response = client.post("/auth/login", form, **request_from(BOTNET, FIREFOX))

    assert (response.status_code, response.json["code"]) == (403, "captcha_required")


@with_policy('credential_stuffing = "ask_second_factor"')
@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="off")
def test_risk_of_a_session_ignores_the_credential_stuffing_signal(app, client, ada, refresh_from):
    for number in range(32):
        form = {"identifier": f"person{number}@example.com", "password": "Winter 2026 is coming"}
        client.post("/auth/login", form, **request_from(f"10.{number}.0.1", CURL))

    assert audited(app, "risk.credential_stuffing_detected")[-1].details["network"] == "everywhere"
    assert refresh_from(OFFICE).status_code == 200
    assert "credential_stuffing" not in last_details(app)["findings"]


def test_risk_is_not_found_in_a_network_of_an_earlier_login(app, ada, refresh_from, client, wait):
    form = {"identifier": ADA, "password": PASSWORD}
    client.post("/auth/login", form, **request_from(OFFICE, FIREFOX))

    refresh_from(OFFICE)

    assert audited(app, *DECISIONS) == []


@with_policy('new_country = "refuse"')
def test_risk_country_comes_from_the_ip_address_and_not_from_headers(app, ada, refresh_from):
    stays = refresh_from(
        HOME, headers={**GEO_HEADERS, "X-Forwarded-For": AWAY, "CF-IPCountry": "AU"}
    )
    moves = refresh_from(AWAY, headers=GEO_HEADERS)

    assert [stays.status_code, moves.status_code] == [200, 401]
    assert last_details(app)["findings"].keys() >= {"new_country", "new_network"}


@with_policy('impossible_travel = "refuse"')
def test_risk_of_impossible_travel_ends_the_session(ada, refresh_from, wait):
    wait(hours=20)
    assert refresh_from(AWAY).status_code == 200

    assert refresh_from(HOME).json["code"] == "session_ended"


# What the policy can do


@with_policy('known_bad_network = "refuse"')
@pytest.mark.stores
def test_decision_refuse_ends_the_session_and_records_the_reason(app, client, ada, refresh_from):
    before = ada.tokens

    response = refresh_from(BOTNET)

    assert (response.status_code, response.json["code"]) == (401, "session_ended")
    assert "network" not in response.text
    [session] = rows(app, Session)
    assert session.end_reason == "risk"
    [event] = audited(app, "session.refused")
    assert (event.outcome, event.session_id) == ("failure", session.id)
    assert event.details["decision"] == "refuse"
    assert refresh_from(HOME).json["code"] == "session_ended"
    assert client.as_(before).get("/auth/me").status_code == 401


@with_policy('changed_user_agent = "notify"')
def test_decision_notify_notifies_the_user(client, ada, refresh_from):
    assert refresh_from(HOME, CURL).status_code == 200

    [notice] = notifications(client)
    assert notice["variables"]["address"] == HOME
    assert notice["variables"]["link"] == "http://localhost:8000/forgot-password"


@with_policy('changed_user_agent = "captcha"')
def test_decision_captcha_notifies_the_user_of_a_session(app, client, ada, refresh_from):
    assert refresh_from(HOME, CURL).status_code == 200

    assert last_details(app)["decision"] == "captcha"
    assert len(notifications(client)) == 1


@with_policy('new_network = "ask_second_factor"')
@pytest.mark.stores
def test_decision_ask_second_factor_downgrades_a_session_at_aal2(app, client, ada, refresh_from):
    client.enrol_totp(ada)
    assert refresh_from().status_code == 200
    assert rows(app, Session)[-1].acr == "aal2"

    response = refresh_from(OFFICE)

    assert response.status_code == 200
    assert (rows(app, Session)[-1].acr, audited(app, *DECISIONS)[-1].name) == (
        "aal1",
        "session.downgraded",
    )
    sensitive = client.as_(response.json).post("/auth/mfa/recovery-codes")
    assert sensitive.json["code"] == "insufficient_user_authentication"
    proof = {"code": ada.totp()}
    stepped = client.as_(response.json).post(
        "/auth/reauthenticate", proof, **request_from(OFFICE, FIREFOX)
    )
    assert stepped.status_code == 200
    assert client.as_(stepped.json).post("/auth/mfa/recovery-codes").status_code == 201


@with_policy('new_network = "ask_second_factor"')
def test_decision_ask_second_factor_ends_a_session_at_aal1(app, ada, refresh_from):
    response = refresh_from(OFFICE)

    assert (response.status_code, response.json["code"]) == (401, "session_ended")
    assert audited(app, *DECISIONS)[-1].name == "session.refused"


@with_policy('new_network = "ask_second_factor"')
def test_decision_ask_second_factor_ends_the_session_where_mfa_is_required(
    app, client, ada, refresh_from
):
    client.enrol_totp(ada)
    refresh_from()
    kept = app.extensions["gatehouse.settings"]
    app.extensions["gatehouse.settings"] = replace(kept, mfa="required")

    assert refresh_from(OFFICE).json["code"] == "session_ended"
    assert rows(app, Session)[-1].end_reason == "risk"


@with_policy('new_network = "ask_second_factor"')
def test_decision_ask_second_factor_is_repeated_for_the_same_network(
    app, client, ada, refresh_from
):
    client.enrol_totp(ada)
    refresh_from()
    refresh_from(OFFICE)
    refresh_from(HOME)

    assert refresh_from(OFFICE).json["code"] == "session_ended"  # there was no step-up since then


@with_policy('new_network = "refuse"')
def test_reuse_is_reported_before_risk(app, ada, refresh_from, client, wait):
    stolen = {"refresh_token": ada.tokens["refresh_token"]}
    refresh_from()
    wait(seconds=11)

    response = client.post("/auth/refresh", stolen, **request_from(AWAY, CURL))

    assert response.json["code"] == "refresh_token_reused"
    assert rows(app, Session)[0].end_reason == "refresh_token_reused"
