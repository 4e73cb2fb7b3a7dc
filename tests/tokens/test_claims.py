"""Claims: tokens with a valid signature and invalid claims, and the claims that we issue."""

import itertools
import time
from functools import partial
from uuid import UUID

import pytest

from tests.tokens.forgery import (
    ABSENT,
    ENDPOINTS,
    FORWARD_AUTH,
    ME,
    REFRESH,
    assert_rejected,
    case,
    decode_token,
)

ISSUER = "http://localhost:8000"


# JW-05: times


@pytest.mark.requirement("JW-05")
@pytest.mark.parametrize("name", ["exp", "iat"])
def test_time_claims_must_be_integers(all_endpoints_reject, forger, name):
    words = (ABSENT, None, True, "", "9999999999", "tomorrow", [9999999999], {"at": 9999999999})
    numbers = (9999999999.5, 1e308, float("nan"), float("inf"), float("-inf"))

    all_endpoints_reject(
        partial(forger.sign_again, claims={name: bad}) for bad in (*words, *numbers)
    )


@pytest.mark.requirement("JW-05")
def test_exp_in_the_past_is_reported_as_expired(all_endpoints_reject, forger):
    moments = (0, 1, -1, int(time.time()) - 5)

    all_endpoints_reject(
        (partial(forger.sign_again, claims={"exp": m}) for m in moments), "token_expired"
    )


@pytest.mark.requirement("JW-05")
def test_iat_or_nbf_in_the_future_is_rejected(all_endpoints_reject, forger):
    soon = int(time.time()) + 60

    all_endpoints_reject(partial(forger.sign_again, claims={name: soon}) for name in ("iat", "nbf"))


@pytest.mark.requirement("JW-05")
@pytest.mark.parametrize("endpoint", [ME, FORWARD_AUTH])
@pytest.mark.parametrize("known", [True, False])
def test_access_token_has_five_seconds_of_leeway(client, tokens, time_machine, endpoint, known):
    token = tokens["access_token"]
    expiry = decode_token(token)[1]["exp"]
    if known:
        assert endpoint.send(client, token).status_code == 200

    time_machine.move_to(expiry + 4, tick=False)
    assert endpoint.send(client, token).status_code == 200

    time_machine.move_to(expiry + 5, tick=False)
    assert_rejected(endpoint.send(client, token), "token_expired")


@pytest.mark.requirement("JW-05")
def test_refresh_token_expires_with_the_idle_limit(client, tokens, time_machine):
    expiry = decode_token(tokens["refresh_token"])[1]["exp"]

    time_machine.move_to(expiry + 4, tick=False)
    assert_rejected(REFRESH.send(client, tokens["refresh_token"]), "session_ended")

    time_machine.move_to(expiry + 5, tick=False)
    assert_rejected(REFRESH.send(client, tokens["refresh_token"]), "token_expired")


# JW-06: token types


@pytest.mark.requirement("JW-06")
def test_refresh_token_is_rejected_as_access_token(client, tokens):
    for path in ("/auth/me", "/gateway/verify", "/auth/sessions"):
        assert_rejected(client.as_(tokens["refresh_token"]).get(path), "token_invalid")


@pytest.mark.requirement("JW-06")
def test_access_token_is_rejected_as_refresh_token(client, tokens):
    assert_rejected(REFRESH.send(client, tokens["access_token"]), "token_invalid")


@pytest.mark.requirement("JW-06")
def test_token_of_another_type_is_rejected(all_endpoints_reject, forger):
    types = (ABSENT, None, "", "JWT", "logout+jwt", "id+jwt", "AT+JWT", 7, ["at+jwt", "rt+jwt"])
    kinds = (ABSENT, None, "", "id", "mfa", 7, ["access", "refresh"])

    all_endpoints_reject(partial(forger.sign_again, header={"typ": typ}) for typ in types)
    all_endpoints_reject(partial(forger.sign_again, claims={"type": kind}) for kind in kinds)
    all_endpoints_reject(
        [partial(forger.sign_again, header={"typ": ABSENT}, claims={"type": ABSENT})]
    )


@pytest.mark.requirement("JW-06")
def test_token_type_needs_typ_type_and_aud_together(client, tokens, forger):
    access, refresh = (tokens[kind] for kind in ("access_token", "refresh_token"))
    borrowings = (("typ",), ("type",), ("aud",), ("typ", "type"), ("typ", "aud"))

    for (token, other), borrowed in itertools.product(
        ((access, refresh), (refresh, access)), borrowings
    ):
        header, claims = (
            {n: part[n] for n in borrowed if n in part} for part in decode_token(other)
        )
        mixed = forger.sign_again(token, header=header, claims=claims)
        for endpoint in ENDPOINTS.values():
            assert_rejected(endpoint.send(client, mixed), "token_invalid")


def test_access_token_without_a_required_claim_is_rejected(client, tokens, forger):
    names = ("sub", "sid", "jti", "auth_time", "amr", "acr", "roles", "scope")

    for name, value in itertools.product(names, (ABSENT, None, 1.5, {}, [7], ["a b"])):
        token = forger.sign_again(tokens["access_token"], claims={name: value})
        with case(name=name, value=value):
            assert_rejected(ME.send(client, token), "token_invalid")
            assert_rejected(FORWARD_AUTH.send(client, token), "token_invalid")


def test_id_claims_must_be_uuids(all_endpoints_reject, forger):
    names = ("sub", "sid", "jti")
    values = (ABSENT, None, 7, "", "7", "' OR 1=1 --", [ISSUER], "{" + "0" * 32 + "}")
    cases = itertools.product(names, values)

    all_endpoints_reject(partial(forger.sign_again, claims={name: bad}) for name, bad in cases)


# JW-07: issuer and audience


@pytest.mark.requirement("JW-07")
def test_issuer_must_be_exactly_the_public_url(all_endpoints_reject, forger):
    near = (ISSUER[:-1], f"{ISSUER}/", f"{ISSUER}.evil.example", f"https://evil.example/{ISSUER}")
    far = (ABSENT, None, "", ISSUER.upper(), "localhost:8000", [ISSUER], {ISSUER: True}, 7)

    all_endpoints_reject(
        partial(forger.sign_again, claims={"iss": issuer}) for issuer in (*near, *far)
    )


@pytest.mark.requirement("JW-07")
def test_audience_must_match_exactly(all_endpoints_reject, forger):
    other = "https://other.example"
    changes = (
        *(lambda own: [own], lambda own: [own, other], lambda own: [other, own]),
        *(lambda own: own[:-1], lambda own: f"{own}/", lambda own: {own: True}),
        *(lambda own: ABSENT, lambda own: None, lambda own: "", lambda own: [], lambda own: other),
    )

    def change_audience(change, token):
        return forger.sign_again(token, claims={"aud": change(decode_token(token)[1]["aud"])})

    all_endpoints_reject(partial(change_audience, change) for change in changes)


@pytest.mark.requirement("JW-07")
@pytest.mark.settings(GATEHOUSE_AUDIENCE="https://api.example.com")
def test_audience_of_access_tokens_is_configurable(client, tokens, forger):
    assert decode_token(tokens["access_token"])[1]["aud"] == "https://api.example.com"
    assert ME.send(client, tokens["access_token"]).status_code == 200

    foreign = forger.sign_again(tokens["access_token"], claims={"aud": ISSUER})

    assert_rejected(ME.send(client, foreign), "token_invalid")
    assert REFRESH.send(client, tokens["refresh_token"]).status_code == 200


# JW-08: the claims that we issue


@pytest.mark.requirement("JW-08")
def test_access_token_has_the_claims_of_rfc_9068(client, make_user, time_machine):
    user = make_user()
    before = int(time.time())
    time_machine.move_to(before, tick=False)

    tokens = client.log_in(user)
    header, claims = decode_token(tokens["access_token"])

    sid, jti, issued = claims["sid"], claims["jti"], claims["iat"]
    assert before <= issued <= time.time()
    assert UUID(sid).version == UUID(jti).version == 7
    assert before <= claims["auth_time"] <= issued
    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": header["kid"]}
    assert claims == {
        "versions": [0, 0],
        "iss": ISSUER,
        "aud": ISSUER,
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
        "status": {"status_list": {"idx": 1, "uri": f"{ISSUER}/tokens/status/0"}},
        "type": "access",
        "fresh": False,
    }


@pytest.mark.requirement("JW-06")
def test_refresh_token_audience_is_the_refresh_endpoint(tokens):
    header, claims = decode_token(tokens["refresh_token"])

    assert header["typ"] == "rt+jwt"
    assert claims["aud"] == f"{ISSUER}/auth/refresh"
    assert claims["exp"] - claims["iat"] == 14 * 24 * 3600
    assert claims.keys() == {"iss", "aud", "sub", "sid", "jti", "iat", "exp", "type", "fresh"}


@pytest.mark.requirement("JW-08")
def test_access_token_ids_are_unique(client, tokens):
    others = [client.refresh(tokens).json for _ in range(3)]

    jtis = {decode_token(response["access_token"])[1]["jti"] for response in [tokens, *others]}

    assert len(jtis) == 4
