"""Status list indexes of sessions, and the bits of those that have ended."""

import itertools
from datetime import timedelta

import pytest

from gatehouse.core import clock
from gatehouse.core.events import SessionEnded
from gatehouse.database.session import db
from gatehouse.sessions import service as sessions
from gatehouse.tokens import revocation, sync
from gatehouse.tokens import status_list as status_lists
from gatehouse.tokens.claims import LIST_SIZE
from gatehouse.web.request_context import BACKGROUND
from models import Revocation, Session, TokenStatusEntry
from tests.client import Client
from tests.rows import rows
from tests.tokens.forgery import ABSENT, FORWARD_AUTH, ME, assert_rejected, case, decode_token
from tests.tokens.status_lists import ISSUER, LIST_PATH, revoked_indexes, status_reference

# Indexes


@pytest.mark.stores
def test_status_index_is_unique_for_each_session_and_in_its_tokens(app, client, make_user):
    user = make_user()

    responses = [client.log_in(user) for _ in range(3)]

    entries = rows(app, TokenStatusEntry)
    assert [status_reference(response)["idx"] for response in responses] == [
        row.status_index for row in entries
    ]
    assert [status_reference(response)["uri"] for response in responses] == [
        f"{ISSUER}{LIST_PATH}"
    ] * 3
    sids = [decode_token(response["access_token"])[1]["sid"] for response in responses]
    assert [str(row.session_id) for row in entries] == sids


@pytest.mark.stores
def test_status_index_stays_the_same_after_a_refresh(client, tokens):
    child = client.refresh(tokens).json
    repeated = client.refresh(tokens).json

    assert status_reference(child) == status_reference(repeated) == status_reference(tokens)


@pytest.mark.stores
def test_status_index_is_unique_for_parallel_logins(app, client, make_user):
    users = [make_user() for _ in range(4)]
    forms = [{"identifier": user.email, "password": user.password} for user in users]

    responses = [a for form in forms for a in client.in_parallel(4, "/auth/login", form)]

    places = [status_reference(response.json)["idx"] for response in responses]
    assert len(set(places)) == 16
    assert {row.status_index for row in rows(app, TokenStatusEntry)} == set(places)


@pytest.mark.stores
def test_status_claim_is_absent_for_sessions_older_than_the_lists(app, client, tokens, fetch_list):
    with app.app_context():
        db.session.delete(db.session.get(TokenStatusEntry, status_reference(tokens)["idx"]))
        db.session.commit()

    child = client.refresh(tokens).json

    assert "status" not in decode_token(child["access_token"])[1]
    assert client.as_(child).get("/auth/me").status_code == 200
    assert client.as_(child).post("/auth/logout").status_code == 204
    assert_rejected(client.as_(child).get("/auth/me"), "token_revoked")
    assert [row.status_index for row in rows(app, Revocation)] == [None]
    assert revoked_indexes(fetch_list()) == set()


@pytest.mark.stores
def test_status_index_is_never_reused(app, client, make_user):
    user = make_user()
    client.as_(client.log_in(user)).post("/auth/logout")
    last = rows(app, TokenStatusEntry)[-1].status_index

    with app.app_context():
        sessions.purge_expired_sessions(clock.now() + timedelta(days=30))
        db.session.commit()

    assert rows(app, Session) == rows(app, TokenStatusEntry) == []
    assert status_reference(client.log_in(user))["idx"] > last


def test_status_index_above_the_list_size_is_in_the_next_list(app):
    with app.app_context():
        claims = [
            status_lists.build_claim(position)["status"] for position in (LIST_SIZE - 1, LIST_SIZE)
        ]

    assert [claim["status_list"] for claim in claims] == [
        {"idx": LIST_SIZE - 1, "uri": f"{ISSUER}/tokens/status/0"},
        {"idx": 0, "uri": f"{ISSUER}/tokens/status/1"},
    ]


# Ended sessions


@pytest.mark.stores
def test_status_bit_is_1_only_for_the_ended_session(client, make_user, fetch_list):
    user = make_user()
    before, ended, after = [client.log_in(user) for _ in range(3)]
    assert revoked_indexes(fetch_list()) == set()

    client.as_(ended).post("/auth/logout")

    assert revoked_indexes(fetch_list()) == {status_reference(ended)["idx"]}
    assert (
        status_reference(before)["idx"]
        < status_reference(ended)["idx"]
        < status_reference(after)["idx"]
    )


@pytest.mark.stores
def test_status_bit_is_published_by_another_worker_after_its_refresh(
    client, tokens, token_state, start_application
):
    other = start_application()
    elsewhere = Client(other.test_client)
    client.as_(tokens).post("/auth/logout")

    with other.app_context():
        sync.refresh()

    assert revoked_indexes(elsewhere.get(LIST_PATH)) == {status_reference(tokens)["idx"]}
    assert rows(other, Revocation)[0].status_index == status_reference(tokens)["idx"]


def test_status_list_has_only_bits_of_its_own_range(token_state, fetch_list):
    soon = clock.now() + revocation.MAX_TOKEN_LIFETIME
    for number, position in enumerate(
        (5, LIST_SIZE - 1, LIST_SIZE, LIST_SIZE + 7, 3 * LIST_SIZE + 5)
    ):
        token_state.add_revocation(str(number), position, soon)

    found = [revoked_indexes(fetch_list(f"/tokens/status/{number}")) for number in range(5)]

    assert found == [{5, LIST_SIZE - 1}, {0, 7}, set(), {5}, set()]


def test_status_bit_is_not_set_after_a_rollback(app, client, tokens, fetch_list):
    with app.app_context():
        [session] = rows(app, Session)
        revocation.revoke_access_tokens(
            SessionEnded(session.id, session.user_id, "logout", BACKGROUND)
        )
        db.session.rollback()

    assert revoked_indexes(fetch_list()) == set()


@pytest.mark.stores
def test_status_bit_is_0_again_after_the_last_token_has_expired(
    app, client, tokens, token_state, fetch_list, time_machine
):
    client.as_(tokens).post("/auth/logout")
    row = rows(app, Revocation)[0]
    with app.app_context():
        time_machine.move_to(decode_token(tokens["access_token"])[1]["exp"] + 5)
        sync.refresh()
        assert revoked_indexes(fetch_list()) == {row.status_index}

        time_machine.move_to(row.expires_at.timestamp() + 1)
        sync.refresh()

    assert token_state.status_indexes == {}
    assert revoked_indexes(fetch_list()) == set()


# The `status` claim


def test_status_claim_that_is_malformed_is_rejected(client, tokens, forger):
    uri = f"{ISSUER}{LIST_PATH}"
    entries = [
        *(None, 7, "x", [], {}, {"idx": 1}, {"uri": uri}, {"idx": 1, "uri": uri, "more": 1}),
        *({"idx": idx, "uri": uri} for idx in (-1, LIST_SIZE, 1.0, True, "1", None, [1])),
        *(
            {"idx": 1, "uri": bad}
            for bad in (None, 7, "", LIST_PATH, f"{uri}0", f"{uri}/", f"{uri} ")
        ),
        *(
            {"idx": 1, "uri": bad}
            for bad in (f"ftp{uri[4:]}", f"{uri}?x", f"{ISSUER}/tokens/status/")
        ),
    ]
    claims = [None, 7, "x", [], {}, *({"status_list": entry} for entry in entries)]
    claims.append({"status_list": {"idx": 1, "uri": uri}, "more": {}})

    for bad, endpoint in itertools.product(claims, (ME, FORWARD_AUTH)):
        token = forger.sign_again(tokens["access_token"], claims={"status": bad})
        with case(status=bad):
            assert_rejected(endpoint.send(client, token), "token_invalid")


def test_status_claim_is_optional(client, tokens, forger):
    old = forger.sign_again(tokens["access_token"], claims={"status": ABSENT})

    for endpoint in (ME, FORWARD_AUTH):
        assert endpoint.send(client, old).status_code in (200, 204)


def test_status_claim_with_the_last_index_is_accepted(client, tokens, forger):
    last = {"idx": LIST_SIZE - 1, "uri": "https://id.example.com/tokens/status/9999999999999"}

    token = forger.sign_again(tokens["access_token"], claims={"status": {"status_list": last}})

    assert client.as_(token).get("/auth/me").status_code == 200
