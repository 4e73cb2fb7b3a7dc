"""The published status lists: their form, their numbers, and how current they are."""

import time

import pytest
from jwt import PyJWK

from gatehouse.core import clock
from gatehouse.tokens import revocation, sync
from gatehouse.tokens import status_list as status_lists
from gatehouse.tokens.claims import PLACES
from tests.client import Client, User
from tests.statements import sent_by
from tests.surface.conftest import verdict
from tests.tokens.forgery import GATEWAY, ME, REFRESH, assert_refused, case, opened, read
from tests.tokens.signing_keys import published
from tests.tokens.status_lists import LIST, OURS, bits, place, revoked

# The draft's appendix C.1: a list of 2**20 places, and the bits that are 1 in it.
VECTOR = (
    "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogE"
    "AAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAA"
    "A7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAA"
    "ACAZC8L2AEb"
)
VECTOR_PLACES = {
    *(0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534),
    1000345,
}


# Its form


def test_the_list_is_a_signed_jwt_of_the_form_in_the_draft(client, tokens):
    before = int(time.time())

    answer = client.get(LIST)
    header, claims = read(answer.text)

    key = published(client)[header["kid"]]
    message, _, signature = answer.text.rpartition(".")
    assert PyJWK(key).Algorithm.verify(message.encode(), PyJWK(key).key, opened(signature))
    assert header == {"typ": "statuslist+jwt", "alg": "ES256", "kid": header["kid"]}
    assert answer.content_type == "application/statuslist+jwt"
    assert before <= claims["iat"] <= time.time()
    assert claims == {
        "sub": place(tokens)["uri"],
        "iat": claims["iat"],
        "exp": claims["iat"] + 120,
        "ttl": 30,
        "status_list": {"bits": 1, "lst": claims["status_list"]["lst"]},
    }
    assert bits(claims["status_list"]["lst"]) == (set(), 2**20)


def test_our_lists_unpack_to_what_the_drafts_do():
    assert bits(VECTOR) == (VECTOR_PLACES, PLACES)

    ours = status_lists.compressed(VECTOR_PLACES)

    assert bits(ours) == (VECTOR_PLACES, PLACES)
    assert len(ours) <= len(VECTOR)


def test_a_full_list_and_its_ends_are_packed_right():
    for places in (set(), {0}, {7}, {8}, {PLACES - 1}, {0, PLACES - 1}, set(range(PLACES))):
        with case(places=len(places)):
            assert bits(status_lists.compressed(places)) == (places, PLACES)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_the_list_is_signed_by_the_key_that_signs_tokens(start_again, algorithm):
    client = Client(start_again(GATEHOUSE_SIGNING_ALGORITHM=algorithm).test_client)

    answer = client.get(LIST)

    key = PyJWK(published(client)[read(answer.text)[0]["kid"]])
    message, _, signature = answer.text.rpartition(".")
    assert read(answer.text)[0]["alg"] == algorithm
    assert key.Algorithm.verify(message.encode(), key.key, opened(signature))


@pytest.mark.requirement("JW-06")
def test_a_list_opens_no_door(client, tokens):
    token = client.get(LIST).text

    for door in (ME, GATEWAY, REFRESH):
        assert_refused(door.knock(client, token), "token_invalid")


# How current it is


def test_every_worker_publishes_an_end_within_a_second(live):
    user = live.client.sign_up(User("ada@example.com"))
    kept, ended = live.client.log_in(user), live.client.log_in(user)
    for _ in range(20):
        assert revoked(live.get(LIST)) == set()

    live.client.as_(ended).post("/auth/logout")
    time.sleep(1)

    for _ in range(20):  # over fresh connections, which the system deals out to both workers
        assert revoked(live.get(LIST)) == {place(ended)["idx"]}
    assert place(kept)["idx"] != place(ended)["idx"]


@pytest.mark.stores
def test_places_and_ended_sessions_survive_a_sudden_death(live):
    user = live.client.sign_up(User("ada@example.com"))
    ended = live.client.log_in(user)
    live.client.as_(ended).post("/auth/logout")

    live.kill()
    live.start()
    later = live.client.log_in(user)

    assert place(later)["idx"] > place(ended)["idx"]
    assert revoked(live.get(LIST)) == {place(ended)["idx"]}


def test_a_list_is_kept_while_nothing_changes(client, memory):
    first = client.get(LIST)

    assert client.get(LIST).text == first.text
    memory.lists[0] = aged(memory.lists[0], 59)
    assert client.get(LIST).text == first.text


def aged(made, seconds):
    return status_lists.StatusList(**vars(made) | {"made_at": made.made_at - seconds})


def test_a_list_is_made_again_at_half_of_its_life_so_that_it_outlives_its_ttl(client, memory):
    first = client.get(LIST)
    memory.lists[0] = aged(memory.lists[0], 60)

    assert client.get(LIST).text != first.text
    assert status_lists.LIFETIME / 2 > status_lists.TTL


def test_sessions_that_end_together_cost_one_list(client, memory):
    first = client.get(LIST)
    memory.end("a", 1, clock.now() + revocation.LONGEST_TOKEN)
    memory.end("b", 2, clock.now() + revocation.LONGEST_TOKEN)
    assert client.get(LIST).text == first.text

    memory.lists[0] = aged(memory.lists[0], status_lists.PAUSE)

    assert revoked(client.get(LIST)) == {1, 2}
    assert status_lists.PAUSE + sync.INTERVAL < 1


def test_what_is_read_twice_makes_no_list_anew(app, client, tokens, memory):
    client.as_(tokens).post("/auth/logout")
    edition = memory.edition

    with app.app_context():
        sync.read()

    assert memory.edition is edition


def test_a_key_that_was_withdrawn_signs_no_list_any_more(app, client, tokens, operate):
    first = client.get(LIST)
    kid = read(first.text)[0]["kid"]

    operate("revoke", kid)

    assert read(client.get(LIST).text)[0]["kid"] in published(client).keys() - {kid}


def test_a_worker_that_knows_nothing_new_publishes_nothing(client, memory):
    assert client.get(LIST).status_code == 200  # and now it is kept

    memory.read_at = clock.monotonic() - 5.01

    assert verdict(client.get(LIST)) == (503, "service_unavailable")


def test_asking_for_a_list_asks_no_database(app, client, memory, fetch):
    assert sent_by(app, fetch) == []
    assert fetch().status_code == 200


def test_many_lists_take_little_memory(client, memory):
    for number in range(status_lists.KEPT + 3):
        assert client.get(f"/tokens/status/{number}").status_code == 200
    client.get("/tokens/status/3")

    assert [*memory.lists] == [*range(3, status_lists.KEPT + 3)]


# Caches


def test_whoever_has_the_list_already_gets_it_not_again(client, memory):
    first = client.get(LIST)

    again = client.get(LIST, headers={"If-None-Match": first.headers["ETag"]})
    other = client.get(LIST, headers={"If-None-Match": '"other"'})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (other.status_code, other.text) == (200, first.text)
    for answer in (first, again):
        assert answer.headers["Cache-Control"] == "public, max-age=30"
        assert "Set-Cookie" not in answer.headers


def test_a_changed_list_has_another_etag(client, tokens, fetch):
    first = fetch()
    client.as_(tokens).post("/auth/logout")

    changed = fetch(headers={"If-None-Match": first.headers["ETag"]})

    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_the_list_is_small_at_a_million_sessions(app, memory, client):
    soon = clock.now() + revocation.LONGEST_TOKEN
    scattered = {pow(3, n, 1_048_573) for n in range(1000)}  # in no order; the modulus is prime
    for position in scattered:
        memory.end(str(position), position, soon)

    answer = client.get(LIST)

    assert revoked(answer) == scattered
    assert len(answer.data) < 5_000


# Numbers


def test_a_list_that_no_session_is_in_says_only_that_nothing_is_revoked(client, tokens):
    for number in (1, 4095, 10**12, 10**13 - 1):
        path = f"/tokens/status/{number}"
        assert revoked(client.get(path)) == set()
        assert read(client.get(path).text)[1]["sub"] == f"{OURS}{path}"


def test_what_is_no_number_of_a_list_is_nowhere(client, memory):
    bad = [
        "",
        "-1",
        "+1",
        "00",
        "01",
        "0x1",
        "1.0",
        "1e3",
        "a",
        "%20",
        "0%20",
        "0%0a",
        "\u0660",
        "1/",
    ]

    for number in (*bad, "9" * 14, "9" * 100_000):
        with case(number=number):
            assert verdict(client.get(f"/tokens/status/{number}")) == (404, "not_found")
    assert memory.lists == {}
