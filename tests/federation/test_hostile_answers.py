"""A provider, or a party between it and us, that lies: each answer is rejected with its reason."""

from __future__ import annotations

import base64
import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from gatehouse.federation import metadata
from models import ExternalIdentity, Session, User
from tests.federation.openid_provider import KEYS, SECRET, new_key
from tests.rows import audited, rows

STRANGER = new_key("first")
"""A key that the provider has not published, under the id of one that it has."""


def setting(**claims):
    """Return a change that sets claims."""
    return {"change_claims": lambda found: found.update(claims)}


def without(name):
    """Return a change that removes a claim."""
    return {"change_claims": lambda found: found.pop(name)}


def encode(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(token):
    """Return the token with the algorithm `none`."""
    return f"{encode({'alg': 'none'})}.{token.split('.')[1]}."


def signed_with_our_secret(token):
    """Return the token with an HMAC by the client secret, as if the public key were one."""
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET * 2), algorithms=["HS256"])


def with_claim_changed(token):
    """Return the token with another subject under the old signature."""
    header, claims, signature = token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"sub": "root"}
    return f"{header}.{encode(changed)}.{signature}"


def with_critical_extension(token):
    """Return the token with an extension that we do not know, but must understand."""
    header = {"alg": "ES256", "kid": "first", "crit": ["exp"], "exp": 1}
    return f"{encode(header)}.{token.partition('.')[2]}"


NOW = int(time.time())
FAULTY = {
    "issuer of another provider": (setting(iss="https://evil.example"), "issuer"),
    "issuer missing": (without("iss"), "issuer"),
    "issuer with a slash": ({"change_claims": lambda c: c.update(iss=c["iss"] + "/")}, "issuer"),
    "subject missing": (without("sub"), "subject"),
    "subject empty": (setting(sub=""), "subject"),
    "subject a number": (setting(sub=42), "subject"),
    "subject huge": (setting(sub="s" * 256), "subject"),
    "subject with a line break": (setting(sub="ada\n1"), "subject"),
    "audience of another client": (setting(aud="another"), "audience"),
    "audience missing": (without("aud"), "audience"),
    "audiences without azp": (setting(aud=["gatehouse", "another"]), "several audiences"),
    "azp of another client": (setting(azp="another"), "authorized party"),
    "iat missing": (without("iat"), "time of issue"),
    "iat in the future": (setting(iat=NOW + 3600), "time of issue"),
    "iat long ago": (setting(iat=NOW - 3600), "time of issue"),
    "iat as text": (setting(iat=str(NOW)), "time of issue"),
    "expired": (setting(exp=NOW - 120), "expired"),
    "exp missing": (without("exp"), "expired"),
    "exp true": (setting(exp=True), "expired"),
    "not valid yet": (setting(nbf=NOW + 3600), "not valid yet"),
    "nonce of another sign-in": (setting(nonce="n" * 43), "nonce"),
    "nonce missing": (without("nonce"), "nonce"),
    "hash of another access token": (setting(at_hash="h" * 22), "hash of the access token"),
    "signature by a stranger": ({"key": STRANGER}, "signature"),
    "signature of other claims": ({"change_token": with_claim_changed}, "signature"),
    "unknown key id": ({"change_header": lambda h: h.update(kid="unknown")}, "signature"),
    "algorithm none": ({"change_token": unsigned}, "algorithm not allowed"),
    "algorithm HS256": ({"change_token": signed_with_our_secret}, "algorithm not allowed"),
    "critical extension": ({"change_token": with_critical_extension}, "critical extension"),
    "key in the header": (
        {"key": STRANGER, "change_header": lambda h: h.update(jwk=STRANGER.as_dict(private=False))},
        "signature",
    ),
    "no token": ({"change_token": lambda token: "not.a.token"}, "malformed"),
    "token of a megabyte": ({"change_token": lambda token: token + "A" * 70_000}, "too long"),
}
"""What is wrong, how the provider is changed, and what the reason begins with."""


@pytest.mark.requirement("RP-02")
def test_id_token_that_is_faulty_is_rejected_with_its_reason(app, op, browser_of):
    differing = {}

    for name, (changes, expected) in FAULTY.items():
        op.reset()
        vars(op).update(changes)
        response = browser_of().sign_in(op)
        reason = audited(app, "federation.failed")[-1].details["reason"]
        if response.status_code != 401 or expected not in reason:
            differing[name] = (response.status_code, reason)

    assert differing == {}
    assert len(audited(app, "federation.failed")) == len(FAULTY)
    assert rows(app, Session) == rows(app, User) == rows(app, ExternalIdentity) == []


def test_id_token_is_accepted_with_several_keys_and_without_a_key_id(app, op, browser_of):
    op.published = [RSAKey.generate_key(2048, {"kid": "rsa"}), *KEYS]
    op.key = KEYS[1]
    assert browser_of().sign_in(op).status_code == 303

    op.change_header = lambda header: header.pop("kid")
    assert browser_of().sign_in(op).status_code == 303


@pytest.mark.requirement("RP-03", "RP-04")
def test_metadata_and_answers_of_another_issuer_are_rejected(app, op, other_op, browser_of):
    op.metadata_changes = {"issuer": other_op.issuer}
    assert browser_of().get("/auth/federation/acme").status_code == 401
    op.reset()

    for changed in ({"iss": other_op.issuer}, {"iss": ""}):
        browser = browser_of()
        assert browser.come_back(op.approve(browser.begin(), **changed)).status_code == 401

    browser = browser_of()  # the answer of one provider at the callback of the other
    answer = op.approve(browser.begin("acme"))
    assert browser.come_back(answer, "other").status_code == 401
    assert other_op.requests == []  # it was not sent the code
    assert rows(app, Session) == []


@pytest.mark.requirement("RP-06")
def test_identity_is_issuer_and_subject_whatever_else_the_provider_says(
    app, op, other_op, browser_of
):
    browser_of().sign_in(op)
    other_op.user |= {"sub": "ada-1", "preferred_username": "ada"}

    same_subject_elsewhere = browser_of().sign_in(other_op, "other")
    op.user |= {"email": "bob@example.com", "name": "Bob"}
    renamed = browser_of().sign_in(op)

    assert same_subject_elsewhere.status_code == 403
    assert renamed.status_code == 303
    assert len(rows(app, User)) == len(rows(app, ExternalIdentity)) == 1
    assert len(rows(app, Session)) == 2


def test_userinfo_counts_for_the_same_subject_only(app, op, browser_of):
    op.in_userinfo_only = True
    assert browser_of().sign_in(op).status_code == 303

    op.userinfo_changes = {"sub": "somebody-else"}
    assert browser_of().sign_in(op).status_code == 401
    assert audited(app, "federation.failed")[-1].details["reason"] == "userinfo of another subject"


JSON = {"Content-Type": "application/json"}
UNUSABLE = {
    "no JSON": ((200, JSON, b"<html>"), 401),
    "a list": ((200, JSON, b"[]"), 401),
    "nested too deep": ((200, JSON, b"[" * 100_000), 401),
    "huge": ((200, JSON, b" " * 300_000), 401),
    "a redirect inside the network": ((302, {"Location": "http://127.0.0.1:1/"}, b""), 401),
    "an error of the code": ((400, JSON, b'{"error": "invalid_grant"}'), 401),
    "an error of its own": ((500, JSON, b"{}"), 503),
    "too many requests": ((429, JSON, b"{}"), 503),
    "no ID token": ((200, JSON, b'{"access_token": "a"}'), 401),
    "no access token": ((200, JSON, b'{"id_token": "a"}'), 401),
    "tokens that are numbers": ((200, JSON, b'{"access_token": 1, "id_token": 2}'), 401),
    "a token with a line break": ((200, JSON, b'{"access_token": "a\\nb", "id_token": "c"}'), 401),
}


@pytest.mark.requirement("RP-08")
def test_token_endpoint_that_answers_garbage_is_rejected(app, op, browser_of):
    for name, (answer, expected) in UNUSABLE.items():
        op.reset()
        op.answers = {"/token": answer}
        assert browser_of().sign_in(op).status_code == expected, name

    assert rows(app, Session) == []


@pytest.mark.requirement("RP-08")
@pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST=None)
def test_provider_inside_the_network_is_not_called(app, op, browser_of):
    response = browser_of().get("/auth/federation/acme")

    assert response.status_code == 401
    assert op.requests == []


def test_keys_survive_the_rotation_and_an_outage_of_the_provider(app, op, browser_of, wait):
    assert browser_of().sign_in(op).status_code == 303
    wait(minutes=2)
    op.key, op.published = KEYS[1], KEYS
    assert browser_of().sign_in(op).status_code == 303
    wait(hours=2)
    unavailable = (503, JSON, b"{}")
    op.answers = {"/jwks": unavailable, "/.well-known/openid-configuration": unavailable}

    assert browser_of().sign_in(op).status_code == 303
    wait(days=2)
    assert browser_of().get("/auth/federation/acme").status_code == 503


def test_unknown_keys_cause_few_requests(app, op, browser_of):
    op.change_header = lambda header: header.update(kid="unknown")
    for _ in range(3):
        browser_of().sign_in(op)

    assert op.requests.count("/jwks") == 1
    assert metadata.RETRY >= 10


def test_provider_that_is_down_is_asked_no_more_and_shows_as_such(app, op, browser_of):
    op.answers = {"/.well-known/openid-configuration": (503, JSON, b"")}
    pages = [browser_of().get("/auth/federation/acme") for _ in range(5)]

    assert [page.status_code for page in pages] == [503] * 5
    assert "does not answer right now" in pages[0].text
    assert len(op.requests) == 3  # then the circuit breaker is open
