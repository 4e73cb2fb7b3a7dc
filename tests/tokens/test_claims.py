"""Tokens whose claims are not as they must be, however true their signature."""

import itertools
import time
from functools import partial
from uuid import UUID

import pytest

from tests.tokens.forgery import ABSENT, DOORS, GATEWAY, ME, REFRESH, assert_refused, case, read

OURS = "http://localhost:8000"


# JW-05: times


@pytest.mark.requirement("JW-05")
@pytest.mark.parametrize("name", ["exp", "iat"])
def test_times_are_whole_numbers(every_door_refuses, forger, name):
    words = (ABSENT, None, True, "", "9999999999", "tomorrow", [9999999999], {"at": 9999999999})
    numbers = (9999999999.5, 1e308, float("nan"), float("inf"), float("-inf"))

    every_door_refuses(partial(forger.like, claims={name: bad}) for bad in (*words, *numbers))


@pytest.mark.requirement("JW-05")
def test_a_token_of_long_ago_has_expired(every_door_refuses, forger):
    moments = (0, 1, -1, int(time.time()) - 5)

    every_door_refuses((partial(forger.like, claims={"exp": m}) for m in moments), "token_expired")


@pytest.mark.requirement("JW-05")
def test_a_token_from_the_future_is_not_taken(every_door_refuses, forger):
    soon = int(time.time()) + 60

    every_door_refuses(partial(forger.like, claims={name: soon}) for name in ("iat", "nbf"))


@pytest.mark.requirement("JW-05")
@pytest.mark.parametrize("door", [ME, GATEWAY])
@pytest.mark.parametrize("known", [True, False])
def test_an_access_token_lives_five_seconds_longer_than_it_says(
    client, tokens, time_machine, door, known
):
    token = tokens["access_token"]
    expiry = read(token)[1]["exp"]
    if known:
        assert door.knock(client, token).status_code == 200

    time_machine.move_to(expiry + 4, tick=False)
    assert door.knock(client, token).status_code == 200

    time_machine.move_to(expiry + 5, tick=False)
    assert_refused(door.knock(client, token), "token_expired")


@pytest.mark.requirement("JW-05")
def test_a_refresh_token_expires_with_the_idle_limit(client, tokens, time_machine):
    expiry = read(tokens["refresh_token"])[1]["exp"]

    time_machine.move_to(expiry + 4, tick=False)
    assert_refused(REFRESH.knock(client, tokens["refresh_token"]), "session_ended")

    time_machine.move_to(expiry + 5, tick=False)
    assert_refused(REFRESH.knock(client, tokens["refresh_token"]), "token_expired")


# JW-06: each kind in its place


@pytest.mark.requirement("JW-06")
@pytest.mark.parametrize("path", ["/auth/me", "/gateway/verify", "/auth/sessions"])
def test_a_refresh_token_is_no_access_token(client, tokens, path):
    assert_refused(client.as_(tokens["refresh_token"]).get(path), "token_invalid")


@pytest.mark.requirement("JW-06")
def test_an_access_token_is_no_refresh_token(client, tokens):
    assert_refused(REFRESH.knock(client, tokens["access_token"]), "token_invalid")


@pytest.mark.requirement("JW-06")
def test_other_kinds_of_tokens_open_nothing(every_door_refuses, forger):
    types = (ABSENT, None, "", "JWT", "logout+jwt", "id+jwt", "AT+JWT", 7, ["at+jwt", "rt+jwt"])
    kinds = (ABSENT, None, "", "id", "mfa", 7, ["access", "refresh"])

    every_door_refuses(partial(forger.like, header={"typ": typ}) for typ in types)
    every_door_refuses(partial(forger.like, claims={"type": kind}) for kind in kinds)
    every_door_refuses([partial(forger.like, header={"typ": ABSENT}, claims={"type": ABSENT})])


@pytest.mark.requirement("JW-06")
def test_a_kind_is_all_of_its_marks_together(client, tokens, forger):
    access, refresh = (tokens[kind] for kind in ("access_token", "refresh_token"))
    borrowings = (("typ",), ("type",), ("aud",), ("typ", "type"), ("typ", "aud"))

    for (token, other), borrowed in itertools.product(
        ((access, refresh), (refresh, access)), borrowings
    ):
        header, claims = ({n: part[n] for n in borrowed if n in part} for part in read(other))
        mixed = forger.like(token, header=header, claims=claims)
        for door in DOORS.values():
            assert_refused(door.knock(client, mixed), "token_invalid")


def test_an_access_token_says_all_that_it_must(client, tokens, forger):
    names = ("sub", "sid", "jti", "auth_time", "amr", "acr", "roles", "scope")

    for name, value in itertools.product(names, (ABSENT, None, 1.5, {}, [7], ["a b"])):
        token = forger.like(tokens["access_token"], claims={name: value})
        with case(name=name, value=value):
            assert_refused(ME.knock(client, token), "token_invalid")
            assert_refused(GATEWAY.knock(client, token), "token_invalid")


def test_the_ids_of_a_token_are_ids(every_door_refuses, forger):
    names = ("sub", "sid", "jti")
    values = (ABSENT, None, 7, "", "7", "' OR 1=1 --", [OURS], "{" + "0" * 32 + "}")
    cases = itertools.product(names, values)

    every_door_refuses(partial(forger.like, claims={name: bad}) for name, bad in cases)


# JW-07: who made it, and for whom


@pytest.mark.requirement("JW-07")
def test_the_issuer_is_exactly_ours(every_door_refuses, forger):
    near = (OURS[:-1], f"{OURS}/", f"{OURS}.evil.example", f"https://evil.example/{OURS}")
    far = (ABSENT, None, "", OURS.upper(), "localhost:8000", [OURS], {OURS: True}, 7)

    every_door_refuses(partial(forger.like, claims={"iss": issuer}) for issuer in (*near, *far))


@pytest.mark.requirement("JW-07")
def test_the_audience_is_exactly_this_place(every_door_refuses, forger):
    other = "https://other.example"
    changes = (
        *(lambda own: [own], lambda own: [own, other], lambda own: [other, own]),
        *(lambda own: own[:-1], lambda own: f"{own}/", lambda own: {own: True}),
        *(lambda own: ABSENT, lambda own: None, lambda own: "", lambda own: [], lambda own: other),
    )

    def readdressed(change, token):
        return forger.like(token, claims={"aud": change(read(token)[1]["aud"])})

    every_door_refuses(partial(readdressed, change) for change in changes)


@pytest.mark.requirement("JW-07")
@pytest.mark.settings(GATEHOUSE_AUDIENCE="https://api.example.com")
def test_the_audience_of_access_tokens_can_be_chosen(client, tokens, forger):
    assert read(tokens["access_token"])[1]["aud"] == "https://api.example.com"
    assert ME.knock(client, tokens["access_token"]).status_code == 200

    foreign = forger.like(tokens["access_token"], claims={"aud": OURS})

    assert_refused(ME.knock(client, foreign), "token_invalid")
    assert REFRESH.knock(client, tokens["refresh_token"]).status_code == 200


# JW-08: what an access token says


@pytest.mark.requirement("JW-08")
def test_an_access_token_tells_who_when_how_and_for_whom(client, make_user):
    user = make_user()
    before = int(time.time())

    tokens = client.log_in(user)
    header, claims = read(tokens["access_token"])

    sid, jti, issued = claims["sid"], claims["jti"], claims["iat"]
    assert before <= issued <= time.time()
    assert UUID(sid).version == UUID(jti).version == 7
    assert before <= claims["auth_time"] <= issued
    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": header["kid"]}
    assert claims == {
        "iss": OURS,
        "aud": OURS,
        "sub": tokens["user"]["id"],
        "client_id": "gatehouse",
        "sid": sid,
        "jti": jti,
        "iat": issued,
        "exp": issued + 600,
        "auth_time": claims["auth_time"],
        "amr": ["pwd"],
        "acr": "aal1",
        "roles": ["user"],
        "scope": "",
        "status": {"status_list": {"idx": 1, "uri": f"{OURS}/tokens/status/0"}},
        "type": "access",
        "fresh": False,
    }


@pytest.mark.requirement("JW-06")
def test_a_refresh_token_names_the_only_place_that_takes_it(tokens):
    header, claims = read(tokens["refresh_token"])

    assert header["typ"] == "rt+jwt"
    assert claims["aud"] == f"{OURS}/auth/refresh"
    assert claims["exp"] - claims["iat"] == 14 * 24 * 3600
    assert claims.keys() == {"iss", "aud", "sub", "sid", "jti", "iat", "exp", "type", "fresh"}


@pytest.mark.requirement("JW-08")
def test_no_two_access_tokens_have_one_jti(client, tokens):
    others = [client.refresh(tokens).json for _ in range(3)]

    jtis = {read(answer["access_token"])[1]["jti"] for answer in [tokens, *others]}

    assert len(jtis) == 4
