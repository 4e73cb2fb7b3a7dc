"""Published status lists: format, numbers, caching, and how current they are."""

import time

import pytest
from jwt import PyJWK

from gatehouse.core import clock
from gatehouse.tokens import revocation, sync
from gatehouse.tokens import status_list as status_lists
from gatehouse.tokens.claims import LIST_SIZE
from tests.client import Client, User
from tests.polling import wait_until
from tests.statements import statements_of
from tests.surface.conftest import read_problem
from tests.tokens.forgery import (
    FORWARD_AUTH,
    ME,
    REFRESH,
    assert_rejected,
    case,
    decode_segment,
    decode_token,
)
from tests.tokens.signing_keys import fetch_published_keys
from tests.tokens.status_lists import (
    ISSUER,
    LIST_PATH,
    decode_list,
    revoked_indexes,
    status_reference,
)

# The draft's appendix C.1: a list of 2**20 bits, and the indexes of those that are 1.
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


# Format


def test_status_list_is_a_signed_jwt_as_in_the_draft(client, tokens):
    before = int(time.time())

    response = client.get(LIST_PATH)
    header, claims = decode_token(response.text)

    key = fetch_published_keys(client)[header["kid"]]
    message, _, signature = response.text.rpartition(".")
    assert PyJWK(key).Algorithm.verify(message.encode(), PyJWK(key).key, decode_segment(signature))
    assert header == {"typ": "statuslist+jwt", "alg": "ES256", "kid": header["kid"]}
    assert response.content_type == "application/statuslist+jwt"
    assert before <= claims["iat"] <= time.time()
    assert claims == {
        "sub": status_reference(tokens)["uri"],
        "iat": claims["iat"],
        "exp": claims["iat"] + 120,
        "ttl": 30,
        "status_list": {"bits": 1, "lst": claims["status_list"]["lst"]},
    }
    assert decode_list(claims["status_list"]["lst"]) == (set(), 2**20)


def test_status_list_decompresses_like_the_vector_of_the_draft():
    assert decode_list(VECTOR) == (VECTOR_PLACES, LIST_SIZE)

    ours = status_lists.compress_indexes(VECTOR_PLACES)

    assert decode_list(ours) == (VECTOR_PLACES, LIST_SIZE)
    assert len(ours) <= len(VECTOR)


def test_status_list_compression_keeps_first_last_and_all_bits():
    last, all_indexes = LIST_SIZE - 1, set(range(LIST_SIZE))
    for indexes in (set(), {0}, {7}, {8}, {last}, {0, last}, all_indexes):
        with case(number_of_indexes=len(indexes)):
            assert decode_list(status_lists.compress_indexes(indexes)) == (indexes, LIST_SIZE)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_status_list_is_signed_by_the_active_key(start_application, algorithm):
    client = Client(start_application(GATEHOUSE_SIGNING_ALGORITHM=algorithm).test_client)

    response = client.get(LIST_PATH)

    key = PyJWK(fetch_published_keys(client)[decode_token(response.text)[0]["kid"]])
    message, _, signature = response.text.rpartition(".")
    assert decode_token(response.text)[0]["alg"] == algorithm
    assert key.Algorithm.verify(message.encode(), key.key, decode_segment(signature))


@pytest.mark.requirement("JW-06")
def test_status_list_token_is_rejected_as_access_or_refresh_token(client, tokens):
    token = client.get(LIST_PATH).text

    for endpoint in (ME, FORWARD_AUTH, REFRESH):
        assert_rejected(endpoint.send(client, token), "token_invalid")


# Currency and caching


def all_workers_publish(live, indexes):
    """Fetch the list twenty times over new connections, which both workers accept."""
    return all(revoked_indexes(live.get(LIST_PATH)) == indexes for _ in range(20))


def test_status_list_of_every_worker_is_updated_within_a_second(live):
    user = live.client.sign_up(User("ada@example.com"))
    ended = set()

    def is_updated_within_a_second():
        tokens = live.client.log_in(user)
        assert all_workers_publish(live, ended)
        live.client.as_(tokens).post("/auth/logout")
        ended.add(status_reference(tokens)["idx"])
        time.sleep(1)
        is_in_time = all_workers_publish(live, ended)
        wait_until(lambda: all_workers_publish(live, ended))
        return is_in_time

    wait_until(is_updated_within_a_second)  # a busy machine may be late, but not each time


@pytest.mark.stores
def test_status_list_survives_a_server_kill(live):
    user = live.client.sign_up(User("ada@example.com"))
    ended = live.client.log_in(user)
    live.client.as_(ended).post("/auth/logout")

    live.kill()
    live.start()
    later = live.client.log_in(user)

    assert status_reference(later)["idx"] > status_reference(ended)["idx"]
    assert revoked_indexes(live.get(LIST_PATH)) == {status_reference(ended)["idx"]}


def test_status_list_is_cached_while_nothing_changes(client, token_state):
    first = client.get(LIST_PATH)

    assert client.get(LIST_PATH).text == first.text
    token_state.lists[0] = aged(token_state.lists[0], 59)
    assert client.get(LIST_PATH).text == first.text


def aged(built, seconds):
    return status_lists.StatusList(**vars(built) | {"built_at": built.built_at - seconds})


def test_status_list_is_rebuilt_at_half_of_its_lifetime_so_that_it_outlives_its_ttl(
    client, token_state
):
    first = client.get(LIST_PATH)
    token_state.lists[0] = aged(token_state.lists[0], 60)

    assert client.get(LIST_PATH).text != first.text
    assert status_lists.LIFETIME / 2 > status_lists.TTL


def test_status_list_is_rebuilt_once_for_sessions_that_end_together(client, token_state):
    first = client.get(LIST_PATH)
    token_state.add_revocation("a", 1, clock.now() + revocation.MAX_TOKEN_LIFETIME)
    token_state.add_revocation("b", 2, clock.now() + revocation.MAX_TOKEN_LIFETIME)
    assert client.get(LIST_PATH).text == first.text

    token_state.lists[0] = aged(token_state.lists[0], status_lists.REBUILD_INTERVAL)

    assert revoked_indexes(client.get(LIST_PATH)) == {1, 2}
    assert status_lists.REBUILD_INTERVAL + sync.INTERVAL < 1


def test_status_list_is_not_rebuilt_for_revocations_read_twice(app, client, tokens, token_state):
    client.as_(tokens).post("/auth/logout")
    version = token_state.version

    with app.app_context():
        sync.refresh()

    assert token_state.version is version


def test_status_list_is_signed_again_after_its_key_is_revoked(
    app, client, tokens, run_keys_command
):
    first = client.get(LIST_PATH)
    kid = decode_token(first.text)[0]["kid"]

    run_keys_command("revoke", kid)

    later = decode_token(client.get(LIST_PATH).text)[0]["kid"]
    assert later in fetch_published_keys(client).keys() - {kid}


def test_status_list_responds_503_when_the_token_state_is_stale(client, token_state):
    assert client.get(LIST_PATH).status_code == 200  # now it is cached

    token_state.read_at = clock.monotonic() - 5.01

    assert read_problem(client.get(LIST_PATH)) == (503, "service_unavailable")


def test_status_list_needs_no_database_query(app, client, token_state, fetch_list):
    assert statements_of(app, fetch_list) == []
    assert fetch_list().status_code == 200


def test_status_list_cache_is_bounded(client, token_state):
    for number in range(status_lists.MAX_CACHED_LISTS + 3):
        assert client.get(f"/tokens/status/{number}").status_code == 200
    client.get("/tokens/status/3")

    assert [*token_state.lists] == [*range(3, status_lists.MAX_CACHED_LISTS + 3)]


# HTTP caching


def test_status_list_responds_304_to_its_etag(client, token_state):
    first = client.get(LIST_PATH)

    again = client.get(LIST_PATH, headers={"If-None-Match": first.headers["ETag"]})
    other = client.get(LIST_PATH, headers={"If-None-Match": '"other"'})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (other.status_code, other.text) == (200, first.text)
    for response in (first, again):
        assert response.headers["Cache-Control"] == "public, max-age=30"
        assert "Set-Cookie" not in response.headers


def test_status_list_etag_changes_with_its_content(client, tokens, fetch_list):
    first = fetch_list()
    client.as_(tokens).post("/auth/logout")

    changed = fetch_list(headers={"If-None-Match": first.headers["ETag"]})

    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_status_list_is_small_for_a_million_sessions(app, token_state, client):
    soon = clock.now() + revocation.MAX_TOKEN_LIFETIME
    scattered = {pow(3, n, 1_048_573) for n in range(1000)}  # in no order; the modulus is prime
    for index in scattered:
        token_state.add_revocation(str(index), index, soon)

    response = client.get(LIST_PATH)

    assert revoked_indexes(response) == scattered
    assert len(response.data) < 5_000


# Numbers


def test_status_list_without_sessions_has_only_zero_bits(client, tokens):
    for number in (1, 4095, 10**12, 10**13 - 1):
        path = f"/tokens/status/{number}"
        assert revoked_indexes(client.get(path)) == set()
        assert decode_token(client.get(path).text)[1]["sub"] == f"{ISSUER}{path}"


def test_status_list_number_that_is_malformed_is_not_found(client, token_state):
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
            assert read_problem(client.get(f"/tokens/status/{number}")) == (404, "not_found")
    assert token_state.lists == {}
