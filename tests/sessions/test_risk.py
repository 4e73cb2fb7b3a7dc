"""A session that goes on from elsewhere is weighed once more; one that stays costs nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from models import Session
from tests.client import PASSWORD
from tests.login.risk import informed, policy, ruled
from tests.login.test_risk import ADA, AWAY, CURL, FIREFOX, GEO_HEADERS, HOME
from tests.rows import audited, rows
from tests.statements import sent_by

OFFICE, BOTNET = "192.0.3.1", "203.0.113.7"
NEWER = "Firefox/141.0.1"
DECISIONS = ("session.moved", "session.lowered", "session.refused")
pytestmark = pytest.mark.requirement("AZ-07")


@pytest.fixture
def settings_environment(store, request, tmp_path_factory):
    environ = informed(store, tmp_path_factory.getbasetemp())
    return environ | {name: value for name, value in chosen(request).items() if value}


@pytest.fixture
def app(app, request, tmp_path):
    """An application with a policy, as in `@policy(...)`, and a GeoIP file."""
    return ruled(app, request, tmp_path)


def chosen(request):
    return {k: v for mark in request.node.iter_markers("settings") for k, v in mark.kwargs.items()}


def sender(address, agent, headers=()):
    sent = {"User-Agent": agent, **dict(headers)}
    return {"headers": sent, "environ_overrides": {"REMOTE_ADDR": address}}


@pytest.fixture
def ada(client, make_user):
    """Ada, signed in at home."""
    user = make_user(email=ADA)
    form = {"identifier": ADA, "password": PASSWORD}
    user.tokens = client.post("/auth/login", form, **sender(HOME, FIREFOX)).json
    return user


@pytest.fixture
def go_on(client, ada):
    """Refresh: go_on(), go_on(AWAY, CURL); the tokens are Ada's from then on."""

    def go_on(address=HOME, agent=FIREFOX, headers=()):
        form = {"refresh_token": ada.tokens["refresh_token"]}
        answer = client.post("/auth/refresh", form, **sender(address, agent, headers))
        ada.tokens = answer.json if answer.status_code == 200 else ada.tokens
        return answer

    return go_on


def found(app):
    """Return the details of the newest decision about a session."""
    return audited(app, *DECISIONS)[-1].details


def told(client):
    """Return the notices of a session that moved."""
    return [m for m in client.mailbox(to=ADA) if m["template"] == "notice_session_moved"]


def reads(sent):
    return [text for text in sent if text.startswith("SELECT")]


def looks(sent):
    """Return how often a login, or a session, was looked at more closely."""
    return len([text for text in sent if "FROM audit_events" in text])


# When it is weighed, and what that costs


@pytest.mark.stores
def test_who_stays_pays_no_statement_and_who_moves_pays_one(app, ada, go_on):
    go_on()

    stayed, moved, again = (sent_by(app, partial(go_on, where)) for where in (HOME, OFFICE, OFFICE))

    assert again == stayed
    assert len(reads(moved)) == len(reads(stayed)) + 1
    assert looks(stayed) == 0
    assert looks(moved) == 1


@pytest.mark.stores
def test_as_shipped_what_stands_out_is_written_down_and_nothing_happens(app, client, ada, go_on):
    answer = go_on(AWAY, CURL)

    assert answer.status_code == 200
    [event] = audited(app, *DECISIONS)
    assert (event.name, event.address, event.user_agent) == ("session.moved", AWAY, CURL)
    assert str(event.user_id) == answer.json["user"]["id"]
    assert event.session_id == rows(app, Session)[0].id
    assert event.details == {
        "decision": "allow",
        "facts": {},
        "findings": {
            "changed_user_agent": "The session was used with Firefox, and goes on with curl.",
            "impossible_travel": event.details["findings"]["impossible_travel"],
            "new_country": "No recent login came from the country AU.",
            "new_network": "No recent login came from the network 198.51.100.0/24.",
        },
    }
    assert told(client) == []


def test_an_update_of_the_browser_or_a_neighbouring_address_is_no_move(app, ada, go_on):
    assert looks(sent_by(app, partial(go_on, "192.0.2.99", NEWER))) == 0
    assert audited(app, *DECISIONS) == []


def test_a_move_teaches_nothing_as_it_proves_nothing(app, ada, go_on):
    go_on(OFFICE)
    go_on(HOME)

    go_on(OFFICE)

    assert [event.address for event in audited(app, *DECISIONS)] == [OFFICE, OFFICE]


@policy('new_network = "captcha"')
@pytest.mark.stores
@pytest.mark.parametrize("agents", [[FIREFOX], [FIREFOX, CURL], []], ids=len)
def test_a_stolen_session_does_not_open_the_login_of_its_thief(client, ada, go_on, agents):
    for agent in agents:
        assert go_on(BOTNET, agent).status_code == 200

    form = {"identifier": ADA, "password": PASSWORD}
    answer = client.post("/auth/login", form, **sender(BOTNET, FIREFOX))

    assert (answer.status_code, answer.json["code"]) == (403, "captcha_required")


@policy('guard_raised = "ask_second_factor"')
@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="off")
def test_who_raises_the_guard_ends_no_session_that_moves(app, client, ada, go_on):
    for number in range(32):
        form = {"identifier": f"person{number}@example.com", "password": "Winter 2026 is coming"}
        client.post("/auth/login", form, **sender(f"10.{number}.0.1", CURL))

    assert audited(app, "risk.guard_raised")[-1].details["network"] == "everywhere"
    assert go_on(OFFICE).status_code == 200
    assert "guard_raised" not in found(app)["findings"]


def test_somebody_who_goes_home_is_nothing_new(app, ada, go_on, client, wait):
    form = {"identifier": ADA, "password": PASSWORD}
    client.post("/auth/login", form, **sender(OFFICE, FIREFOX))

    go_on(OFFICE)

    assert audited(app, *DECISIONS) == []


@policy('new_country = "refuse"')
def test_no_header_moves_a_session_to_another_country_nor_keeps_it_there(app, ada, go_on):
    stays = go_on(HOME, headers={**GEO_HEADERS, "X-Forwarded-For": AWAY, "CF-IPCountry": "AU"})
    moves = go_on(AWAY, headers=GEO_HEADERS)

    assert [stays.status_code, moves.status_code] == [200, 401]
    assert found(app)["findings"].keys() >= {"new_country", "new_network"}


@policy('impossible_travel = "refuse"')
def test_a_session_travels_as_fast_as_people_do(ada, go_on, wait):
    wait(hours=20)
    assert go_on(AWAY).status_code == 200

    assert go_on(HOME).json["code"] == "session_ended"


# What the policy can do


@policy('known_bad_network = "refuse"')
@pytest.mark.stores
def test_refuse_ends_the_session_for_everybody_and_says_why_to_the_operator(
    app, client, ada, go_on
):
    before = ada.tokens

    answer = go_on(BOTNET)

    assert (answer.status_code, answer.json["code"]) == (401, "session_ended")
    assert "network" not in answer.text
    [session] = rows(app, Session)
    assert session.end_reason == "risk"
    [event] = audited(app, "session.refused")
    assert (event.outcome, event.session_id) == ("failure", session.id)
    assert event.details["decision"] == "refuse"
    assert go_on(HOME).json["code"] == "session_ended"
    assert client.as_(before).get("/auth/me").status_code == 401


@policy('changed_user_agent = "notify"')
def test_notify_tells_the_owner(client, ada, go_on):
    assert go_on(HOME, CURL).status_code == 200

    [notice] = told(client)
    assert notice["variables"]["address"] == HOME
    assert notice["variables"]["link"] == "http://localhost:8000/forgot-password"


@policy('changed_user_agent = "captcha"')
def test_captcha_is_for_logins_and_here_the_owner_is_told(app, client, ada, go_on):
    assert go_on(HOME, CURL).status_code == 200

    assert found(app)["decision"] == "captcha"
    assert len(told(client)) == 1


@policy('new_network = "ask_second_factor"')
@pytest.mark.stores
def test_ask_second_factor_takes_a_raised_session_back_so_that_it_has_to_step_up(
    app, client, ada, go_on
):
    client.enrol_totp(ada)
    assert go_on().status_code == 200
    assert rows(app, Session)[-1].acr == "aal2"

    answer = go_on(OFFICE)

    assert answer.status_code == 200
    assert (rows(app, Session)[-1].acr, audited(app, *DECISIONS)[-1].name) == (
        "aal1",
        "session.lowered",
    )
    sensitive = client.as_(answer.json).post("/auth/mfa/recovery-codes")
    assert sensitive.json["code"] == "insufficient_user_authentication"
    proof = {"code": ada.totp()}
    stepped = client.as_(answer.json).post("/auth/reauthenticate", proof, **sender(OFFICE, FIREFOX))
    assert stepped.status_code == 200
    assert client.as_(stepped.json).post("/auth/mfa/recovery-codes").status_code == 201


@policy('new_network = "ask_second_factor"')
def test_where_there_is_nothing_to_fall_back_from_the_session_ends_and_the_login_asks(
    app, ada, go_on
):
    answer = go_on(OFFICE)

    assert (answer.status_code, answer.json["code"]) == (401, "session_ended")
    assert audited(app, *DECISIONS)[-1].name == "session.refused"


@policy('new_network = "ask_second_factor"')
def test_where_a_second_factor_is_required_the_session_ends_instead(app, client, ada, go_on):
    client.enrol_totp(ada)
    go_on()
    kept = app.extensions["gatehouse.settings"]
    app.extensions["gatehouse.settings"] = replace(kept, mfa="required")

    assert go_on(OFFICE).json["code"] == "session_ended"
    assert rows(app, Session)[-1].end_reason == "risk"


@policy('new_network = "ask_second_factor"')
def test_what_was_doubted_is_not_known_afterwards(app, client, ada, go_on):
    client.enrol_totp(ada)
    go_on()
    go_on(OFFICE)
    go_on(HOME)

    assert go_on(OFFICE).json["code"] == "session_ended"  # it was not raised since then


@policy('new_network = "refuse"')
def test_a_stolen_token_that_was_used_before_is_theft_wherever_it_comes_from(
    app, ada, go_on, client, wait
):
    stolen = {"refresh_token": ada.tokens["refresh_token"]}
    go_on()
    wait(seconds=11)

    answer = client.post("/auth/refresh", stolen, **sender(AWAY, CURL))

    assert answer.json["code"] == "refresh_token_reused"
    assert rows(app, Session)[0].end_reason == "refresh_token_reused"
