"""People see their sessions, end them, and cannot touch anybody else's."""

import base64
import re
from uuid import UUID

import pytest

from gatehouse.core import crypto
from gatehouse.database.session import db, writing
from gatehouse.sessions import service as sessions
from gatehouse.web.request_context import NOBODY
from tests.rows import audited
from tests.sessions.answers import assert_alive, assert_over, session_of
from tests.together import at_once
from tests.tokens.forgery import case

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def listed(client, tokens, **query):
    """Return one part of somebody's list of sessions."""
    answer = client.as_(tokens).get("/auth/sessions", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def ids(part):
    return [item["id"] for item in part["items"]]


# The list


@pytest.mark.stores
@pytest.mark.requirement("SE-08")
def test_a_person_sees_when_where_and_with_what_they_signed_in(client, user):
    form = {"identifier": user.email, "password": user.password}
    tokens = client.post("/auth/login", form, headers={"User-Agent": FIREFOX}).json

    item = listed(client, tokens)["items"][0]

    moments = [item.pop(name) for name in ("created_at", "last_seen_at", "expires_at")]
    assert all(MOMENT.fullmatch(moment) for moment in moments)
    assert item == {
        "id": session_of(tokens),
        "address": "127.0.0.1",
        "device": "Firefox on Linux",
        "amr": ["pwd"],
        "current": True,
    }


@pytest.mark.stores
@pytest.mark.requirement("SE-08")
def test_a_person_sees_all_their_sessions_newest_first_and_nobody_elses(client, make_user):
    ann, bob = make_user(), make_user()
    mine = [client.log_in(ann) for _ in range(3)]
    theirs = client.log_in(bob)

    part = listed(client, mine[1])

    assert sorted(ids(part)) == sorted(map(session_of, mine))
    assert ids(part) == sorted(ids(part), reverse=True)
    assert part["next_cursor"] is None
    assert [item["id"] for item in part["items"] if item["current"]] == [session_of(mine[1])]
    assert ids(listed(client, theirs)) == [session_of(theirs)]


@pytest.mark.requirement("SE-08")
def test_ended_and_expired_sessions_are_not_listed(client, user, wait):
    client.log_in(user)
    wait(days=14, seconds=1)
    ended, here = client.log_in(user), client.log_in(user)
    client.as_(ended).post("/auth/logout")

    assert ids(listed(client, here)) == [session_of(here)]


@pytest.mark.stores
def test_a_long_list_comes_in_parts(client, user):
    all_of_them = sorted((session_of(client.log_in(user)) for _ in range(5)), reverse=True)
    tokens = user.tokens

    first = listed(client, tokens, limit=2)
    second = listed(client, tokens, limit=2, cursor=first["next_cursor"])
    last = listed(client, tokens, limit=2, cursor=second["next_cursor"])

    assert [len(part["items"]) for part in (first, second, last)] == [2, 2, 1]
    assert ids(first) + ids(second) + ids(last) == all_of_them
    assert last["next_cursor"] is None


def test_a_list_that_fits_has_no_second_part(client, user):
    tokens = [client.log_in(user) for _ in range(2)][-1]

    assert listed(client, tokens, limit=2)["next_cursor"] is None


@pytest.mark.requirement("AP-08")
def test_nobody_can_make_up_a_cursor(client, make_user):
    ann, bob = make_user(), make_user()
    for user in (ann, ann, bob, bob):
        client.log_in(user)
    mine, theirs = (listed(client, u.tokens, limit=1)["next_cursor"] for u in (ann, bob))
    raw = base64.urlsafe_b64decode(mine + "==")
    forgeries = [
        theirs,
        mine[:-4],
        mine + "AAAA",
        ("B" if mine[0] == "A" else "A") + mine[1:],
        mine[:-3] + ("BBB" if mine[-3:] != "BBB" else "CCC"),
        base64.urlsafe_b64encode(bytes(16) + raw[16:]).decode(),
        base64.urlsafe_b64encode(raw[:16]).decode(),
        session_of(ann.tokens),
        "AAAA",
        "x",
        "é",
        "' OR 1=1 --",
        "0",
    ]

    for forgery in forgeries:
        answer = client.as_(ann.tokens).get("/auth/sessions", query_string={"cursor": forgery})

        with case(cursor=forgery):
            assert (answer.status_code, answer.json["code"]) == (400, "malformed_request")


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 101}, {"limit": -1}, {"limit": "x"}, {"limit": "1.5"}, {"cursor": ""}],
    ids=repr,
)
def test_a_part_has_one_to_a_hundred_items(client, tokens, query):
    answer = client.as_(tokens).get("/auth/sessions", query_string=query)

    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")


# Ending one


@pytest.mark.stores
@pytest.mark.requirement("SE-08")
def test_a_person_ends_one_of_their_sessions(app, client, user):
    lost, here = client.log_in(user), client.log_in(user)

    answer = client.as_(here).delete(f"/auth/sessions/{session_of(lost)}")

    assert (answer.status_code, answer.data) == (204, b"")
    assert_over(client, lost)
    assert_alive(client, here)
    event = audited(app, "session.ended")[0]
    assert (str(event.session_id), event.details) == (session_of(lost), {"reason": "ended_by_user"})


def test_a_person_ends_the_session_they_are_in(client, tokens):
    answer = client.as_(tokens).delete(f"/auth/sessions/{session_of(tokens)}")

    assert answer.status_code == 204
    assert_over(client, tokens)


@pytest.mark.stores
@pytest.mark.requirement("SE-08")
def test_somebody_elses_session_is_not_there(app, client, make_user):
    mine, theirs = client.log_in(make_user()), client.log_in(make_user())

    answer = client.as_(mine).delete(f"/auth/sessions/{session_of(theirs)}")
    unknown = client.as_(mine).delete(f"/auth/sessions/{crypto.new_id()}")

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert answer.json | {"request_id": ""} == unknown.json | {"request_id": ""}
    assert_alive(client, theirs)
    assert audited(app, "session.ended") == []


@pytest.mark.requirement("SE-08")
@pytest.mark.parametrize("session_id", ["x", "7", "' OR 1=1 --", "../me", "0" * 36])
def test_what_is_no_id_is_not_there(client, tokens, session_id):
    answer = client.as_(tokens).delete(f"/auth/sessions/{session_id}")

    assert answer.status_code in (404, 405)
    assert_alive(client, tokens)


def test_a_session_ends_once(client, user):
    lost, here = client.log_in(user), client.log_in(user)
    path = f"/auth/sessions/{session_of(lost)}"
    client.as_(here).delete(path)

    assert client.as_(here).delete(path).status_code == 404


@pytest.mark.stores
def test_a_session_that_many_end_at_once_ends_once(app, client, user):
    lost, here = client.log_in(user), client.log_in(user)
    path = f"/auth/sessions/{session_of(lost)}"

    answers = at_once(*[lambda: client.as_(here).delete(path)] * 8)

    assert {answer.status_code for answer in answers} <= {204, 404}
    assert len(audited(app, "session.ended")) == 1
    assert_over(client, lost)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)  # SQLite has one writer at a time
def test_a_session_that_ended_while_we_looked_at_it_ends_once(app, client, user):
    lost, here = client.log_in(user), client.log_in(user)
    path = f"/auth/sessions/{session_of(lost)}"

    with app.app_context():
        with writing():
            seen = sessions.live(UUID(user.tokens["user"]["id"]))
            at_once(lambda: client.as_(here).delete(path))  # in a transaction of its own
            for session in seen:
                sessions.end(session.id, "logout_global", NOBODY)
        db.session.commit()

    ended = {
        str(event.session_id): event.details["reason"] for event in audited(app, "session.ended")
    }
    assert ended == {session_of(lost): "ended_by_user", session_of(here): "logout_global"}
    assert len(audited(app, "session.ended")) == 2
