"""The places of sessions in the status lists, and the bits of those that have ended."""

import itertools

import pytest

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.operations import cleanup
from gatehouse.sessions import service as sessions
from gatehouse.tokens import revocation, sync
from gatehouse.tokens import status_list as status_lists
from gatehouse.tokens.claims import PLACES
from models import Revocation, Session, StatusEntry
from tests.client import Client
from tests.rows import rows
from tests.tokens.forgery import ABSENT, GATEWAY, ME, assert_refused, case, read
from tests.tokens.status_lists import LIST, OURS, place, revoked

# Places


@pytest.mark.stores
def test_every_session_has_a_place_of_its_own_which_its_tokens_name(app, client, make_user):
    user = make_user()

    answers = [client.log_in(user) for _ in range(3)]

    entries = rows(app, StatusEntry)
    assert [place(answer)["idx"] for answer in answers] == [row.position for row in entries]
    assert [place(answer)["uri"] for answer in answers] == [f"{OURS}{LIST}"] * 3
    sids = [read(answer["access_token"])[1]["sid"] for answer in answers]
    assert [str(row.session_id) for row in entries] == sids


@pytest.mark.stores
def test_a_refreshed_token_keeps_the_place_of_its_session(client, tokens):
    child = client.refresh(tokens).json
    repeated = client.refresh(tokens).json

    assert place(child) == place(repeated) == place(tokens)


@pytest.mark.stores
def test_parallel_log_ins_get_different_places(app, client, make_user):
    users = [make_user() for _ in range(4)]
    forms = [{"identifier": user.email, "password": user.password} for user in users]

    answers = [a for form in forms for a in client.in_parallel(4, "/auth/login", form)]

    places = [place(answer.json)["idx"] for answer in answers]
    assert len(set(places)) == 16
    assert {row.position for row in rows(app, StatusEntry)} == set(places)


@pytest.mark.stores
def test_a_session_from_before_the_lists_goes_on_without_a_status(app, client, tokens, fetch):
    with app.app_context():
        db.session.delete(db.session.get(StatusEntry, place(tokens)["idx"]))
        db.session.commit()

    child = client.refresh(tokens).json

    assert "status" not in read(child["access_token"])[1]
    assert client.as_(child).get("/auth/me").status_code == 200
    assert client.as_(child).post("/auth/logout").status_code == 204
    assert_refused(client.as_(child).get("/auth/me"), "token_revoked")
    assert [row.position for row in rows(app, Revocation)] == [None]
    assert revoked(fetch()) == set()


@pytest.mark.stores
def test_a_place_goes_with_its_session_and_is_never_given_again(app, client, make_user):
    user = make_user()
    client.as_(client.log_in(user)).post("/auth/logout")
    last = rows(app, StatusEntry)[-1].position

    with app.app_context():
        sessions.purge(clock.now() + cleanup.KEPT)
        db.session.commit()

    assert rows(app, Session) == rows(app, StatusEntry) == []
    assert place(client.log_in(user))["idx"] > last


def test_the_millionth_session_begins_the_next_list(app):
    with app.app_context():
        claims = [status_lists.claim(position)["status"] for position in (PLACES - 1, PLACES)]

    assert [claim["status_list"] for claim in claims] == [
        {"idx": PLACES - 1, "uri": f"{OURS}/tokens/status/0"},
        {"idx": 0, "uri": f"{OURS}/tokens/status/1"},
    ]


# Ended sessions


@pytest.mark.stores
def test_the_bit_of_an_ended_session_is_1_and_its_neighbours_are_0(client, make_user, fetch):
    user = make_user()
    before, ended, after = [client.log_in(user) for _ in range(3)]
    assert revoked(fetch()) == set()

    client.as_(ended).post("/auth/logout")

    assert revoked(fetch()) == {place(ended)["idx"]}
    assert place(before)["idx"] < place(ended)["idx"] < place(after)["idx"]


@pytest.mark.stores
def test_another_worker_publishes_it_when_it_has_read_it(client, tokens, memory, start_again):
    other = start_again()
    elsewhere = Client(other.test_client)
    client.as_(tokens).post("/auth/logout")

    with other.app_context():
        sync.read()

    assert revoked(elsewhere.get(LIST)) == {place(tokens)["idx"]}
    assert rows(other, Revocation)[0].position == place(tokens)["idx"]


def test_a_list_has_the_places_of_its_own_sessions_only(memory, fetch):
    soon = clock.now() + revocation.LONGEST_TOKEN
    for number, position in enumerate((5, PLACES - 1, PLACES, PLACES + 7, 3 * PLACES + 5)):
        memory.end(str(number), position, soon)

    found = [revoked(fetch(f"/tokens/status/{number}")) for number in range(5)]

    assert found == [{5, PLACES - 1}, {0, 7}, set(), {5}, set()]


def test_an_end_that_was_rolled_back_is_not_published(app, client, tokens, fetch):
    with app.app_context():
        revocation.revoke(rows(app, Session)[0].id)
        db.session.rollback()

    assert revoked(fetch()) == set()


@pytest.mark.stores
def test_a_bit_is_0_again_when_the_last_token_of_its_session_has_expired(
    app, client, tokens, memory, fetch, time_machine
):
    client.as_(tokens).post("/auth/logout")
    row = rows(app, Revocation)[0]
    with app.app_context():
        time_machine.move_to(read(tokens["access_token"])[1]["exp"] + 5)
        sync.read()
        assert revoked(fetch()) == {row.position}

        time_machine.move_to(row.forget_at.timestamp() + 1)
        sync.read()

    assert memory.places == {}
    assert revoked(fetch()) == set()


# The claim


def test_the_claim_is_exactly_ours(client, tokens, forger):
    uri = f"{OURS}{LIST}"
    entries = [
        *(None, 7, "x", [], {}, {"idx": 1}, {"uri": uri}, {"idx": 1, "uri": uri, "more": 1}),
        *({"idx": idx, "uri": uri} for idx in (-1, PLACES, 1.0, True, "1", None, [1])),
        *({"idx": 1, "uri": bad} for bad in (None, 7, "", LIST, f"{uri}0", f"{uri}/", f"{uri} ")),
        *(
            {"idx": 1, "uri": bad}
            for bad in (f"ftp{uri[4:]}", f"{uri}?x", f"{OURS}/tokens/status/")
        ),
    ]
    claims = [None, 7, "x", [], {}, *({"status_list": entry} for entry in entries)]
    claims.append({"status_list": {"idx": 1, "uri": uri}, "more": {}})

    for bad, door in itertools.product(claims, (ME, GATEWAY)):
        token = forger.like(tokens["access_token"], claims={"status": bad})
        with case(status=bad):
            assert_refused(door.knock(client, token), "token_invalid")


def test_a_token_without_the_claim_is_as_good_as_before(client, tokens, forger):
    old = forger.like(tokens["access_token"], claims={"status": ABSENT})

    for door in (ME, GATEWAY):
        assert door.knock(client, old).status_code in (200, 204)


def test_the_last_place_of_a_list_is_a_place(client, tokens, forger):
    last = {"idx": PLACES - 1, "uri": "https://id.example.com/tokens/status/9999999999999"}

    token = forger.like(tokens["access_token"], claims={"status": {"status_list": last}})

    assert client.as_(token).get("/auth/me").status_code == 200
