"""Users list and end their own sessions, but not those of others."""

import re
from uuid import UUID

import pytest

from gatehouse.core import crypto
from gatehouse.database.session import db, write_transaction
from gatehouse.sessions import service as sessions
from gatehouse.web.request_context import NO_REQUEST
from tests.parallel import run_in_parallel
from tests.rows import audited
from tests.sessions.token_responses import assert_active, assert_ended, session_id_of
from tests.tokens.forgery import case

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def list_sessions(client, tokens, **query):
    """Return one page of the session list of a user."""
    response = client.as_(tokens).get("/auth/sessions", query_string=query)
    assert response.status_code == 200, response.text
    return response.json


def session_ids(page):
    return [item["id"] for item in page["items"]]


# List


@pytest.mark.stores
@pytest.mark.requirement("SE-08")
def test_session_list_shows_times_ip_address_and_device(client, user):
    form = {"identifier": user.email, "password": user.password}
    tokens = client.post("/auth/login", form, headers={"User-Agent": FIREFOX}).json

    item = list_sessions(client, tokens)["items"][0]

    timestamps = [item.pop(name) for name in ("created_at", "last_seen_at", "expires_at")]
    assert all(TIMESTAMP.fullmatch(timestamp) for timestamp in timestamps)
    assert item == {
        "id": session_id_of(tokens),
        "ip_address": "127.0.0.1",
        "device": "Firefox on Linux",
        "amr": ["pwd"],
        "current": True,
    }


@pytest.mark.stores
@pytest.mark.requirement("SE-08")
def test_session_list_has_only_own_sessions_newest_first(client, make_user):
    ann, bob = make_user(), make_user()
    mine = [client.log_in(ann) for _ in range(3)]
    theirs = client.log_in(bob)

    page = list_sessions(client, mine[1])

    assert sorted(session_ids(page)) == sorted(map(session_id_of, mine))
    assert session_ids(page) == sorted(session_ids(page), reverse=True)
    assert page["next_cursor"] is None
    assert [item["id"] for item in page["items"] if item["current"]] == [session_id_of(mine[1])]
    assert session_ids(list_sessions(client, theirs)) == [session_id_of(theirs)]


@pytest.mark.requirement("SE-08")
def test_session_list_omits_ended_and_expired_sessions(client, user, wait):
    client.log_in(user)
    wait(days=14, seconds=1)
    ended, here = client.log_in(user), client.log_in(user)
    client.as_(ended).post("/auth/logout")

    assert session_ids(list_sessions(client, here)) == [session_id_of(here)]


@pytest.mark.stores
def test_session_list_is_paginated(client, user):
    expected = sorted((session_id_of(client.log_in(user)) for _ in range(5)), reverse=True)
    tokens = user.tokens

    first = list_sessions(client, tokens, limit=2)
    second = list_sessions(client, tokens, limit=2, cursor=first["next_cursor"])
    last = list_sessions(client, tokens, limit=2, cursor=second["next_cursor"])

    assert [len(page["items"]) for page in (first, second, last)] == [2, 2, 1]
    assert session_ids(first) + session_ids(second) + session_ids(last) == expected
    assert last["next_cursor"] is None


def test_session_list_on_one_page_has_no_cursor(client, user):
    tokens = [client.log_in(user) for _ in range(2)][-1]

    assert list_sessions(client, tokens, limit=2)["next_cursor"] is None


@pytest.mark.requirement("AP-08")
def test_session_list_rejects_forged_cursors(client, make_user):
    ann, bob = make_user(), make_user()
    for user in (ann, ann, bob, bob):
        client.log_in(user)
    mine, theirs = (list_sessions(client, u.tokens, limit=1)["next_cursor"] for u in (ann, bob))
    payload, _, signature = mine.rpartition(".")
    forgeries = [
        theirs,
        mine[:-4],
        mine + "AAAA",
        ("B" if mine[0] == "A" else "A") + mine[1:],
        mine[:-3] + ("BBB" if mine[-3:] != "BBB" else "CCC"),
        f"{'A' * len(payload)}.{signature}",
        payload,
        f"{payload}.",
        session_id_of(ann.tokens),
        "AAAA",
        "x",
        "é",
        "' OR 1=1 --",
        "0",
    ]

    for forgery in forgeries:
        response = client.as_(ann.tokens).get("/auth/sessions", query_string={"cursor": forgery})

        with case(cursor=forgery):
            assert (response.status_code, response.json["code"]) == (400, "malformed_request")


def test_session_list_limit_is_between_one_and_a_hundred(client, tokens):
    for query in (
        {"limit": 0},
        {"limit": 101},
        {"limit": -1},
        {"limit": "x"},
        {"limit": "1.5"},
        {"cursor": ""},
    ):
        with case(query=query):
            response = client.as_(tokens).get("/auth/sessions", query_string=query)

            assert (response.status_code, response.json["code"]) == (422, "validation_failed")


# End a session


@pytest.mark.stores
@pytest.mark.requirement("SE-08")
def test_session_can_be_ended_by_its_user(app, client, user):
    lost, here = client.log_in(user), client.log_in(user)

    response = client.as_(here).delete(f"/auth/sessions/{session_id_of(lost)}")

    assert (response.status_code, response.data) == (204, b"")
    assert_ended(client, lost)
    assert_active(client, here)
    event = audited(app, "session.ended")[0]
    assert (str(event.session_id), event.details) == (
        session_id_of(lost),
        {"reason": "ended_by_user"},
    )


def test_session_can_end_itself(client, tokens):
    response = client.as_(tokens).delete(f"/auth/sessions/{session_id_of(tokens)}")

    assert response.status_code == 204
    assert_ended(client, tokens)


@pytest.mark.requirement("AZ-02")
@pytest.mark.stores
@pytest.mark.requirement("SE-08")
def test_session_of_another_user_is_not_found(app, client, make_user):
    mine, theirs = client.log_in(make_user()), client.log_in(make_user())

    response = client.as_(mine).delete(f"/auth/sessions/{session_id_of(theirs)}")
    unknown = client.as_(mine).delete(f"/auth/sessions/{crypto.new_id()}")

    assert (response.status_code, response.json["code"]) == (404, "not_found")
    assert response.json | {"request_id": ""} == unknown.json | {"request_id": ""}
    assert_active(client, theirs)
    assert audited(app, "session.ended") == []


@pytest.mark.requirement("SE-08")
def test_session_id_that_is_malformed_is_not_found(client, tokens):
    for session_id in ("x", "7", "' OR 1=1 --", "../me", "0" * 36):
        with case(session_id=session_id):
            response = client.as_(tokens).delete(f"/auth/sessions/{session_id}")

            assert response.status_code in (404, 405)
            assert_active(client, tokens)


def test_session_that_has_ended_is_not_found(client, user):
    lost, here = client.log_in(user), client.log_in(user)
    path = f"/auth/sessions/{session_id_of(lost)}"
    client.as_(here).delete(path)

    assert client.as_(here).delete(path).status_code == 404


@pytest.mark.stores
def test_session_ended_in_parallel_ends_once(app, client, user):
    lost, here = client.log_in(user), client.log_in(user)
    path = f"/auth/sessions/{session_id_of(lost)}"

    responses = run_in_parallel(*[lambda: client.as_(here).delete(path)] * 8)

    assert {response.status_code for response in responses} <= {204, 404}
    assert len(audited(app, "session.ended")) == 1
    assert_ended(client, lost)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)  # SQLite has one writer at a time
def test_session_ended_by_a_concurrent_transaction_keeps_its_reason(app, client, user):
    lost, here = client.log_in(user), client.log_in(user)
    path = f"/auth/sessions/{session_id_of(lost)}"

    with app.app_context():
        with write_transaction():
            seen = sessions.active_sessions(UUID(user.tokens["user"]["id"]))
            run_in_parallel(lambda: client.as_(here).delete(path))  # in another transaction
            for session in seen:
                sessions.end_session(session.id, "logout_global", NO_REQUEST)
        db.session.commit()

    ended = {
        str(event.session_id): event.details["reason"] for event in audited(app, "session.ended")
    }
    assert ended == {session_id_of(lost): "ended_by_user", session_id_of(here): "logout_global"}
    assert len(audited(app, "session.ended")) == 2
