"""Custom claims: they are added to access tokens, and replace no claim of ours."""

from dataclasses import replace
from datetime import timedelta

import jwt

from gatehouse.core import clock, crypto
from gatehouse.tokens import custom_claims, specs
from gatehouse.tokens import service as tokens
from gatehouse.tokens.specs import SessionClaims

FORGED = {name: "forged" for name in sorted(custom_claims.RESERVED)}


def issue(custom, spec=None):
    now, user_id = clock.unix_time(), str(crypto.new_id())
    session = SessionClaims(str(crypto.new_id()), str(crypto.new_id()), now, now, ["pwd"], "aal1")
    session = replace(session, roles=["user"], versions=[1, 2], custom=custom)
    spec = spec or specs.access_token("", timedelta(minutes=5))
    encoded = tokens.issue(spec, user_id, session)
    return encoded, jwt.decode(encoded, options={"verify_signature": False})


def test_claims_with_reserved_names_never_reach_a_token(app):
    """Whatever declares them: a schema of an older version, a row changed by hand, a hook."""
    with app.app_context():
        _, plain = issue({})
        encoded, forged = issue(FORGED | {"x y": 1, "": 2})
        access = tokens.verify_access(encoded)

    assert forged.keys() == plain.keys()
    assert "forged" not in forged.values()
    assert (access.roles, access.acr) == (("user",), "aal1")


def test_claims_are_in_access_tokens_only(app):
    custom = {"department": "sales", "https://example.com/team": ["a"]}
    with app.app_context():
        _, access = issue(custom)
        _, refresh = issue(custom, specs.refresh_token(timedelta(minutes=5)))

    assert custom.items() <= access.items()
    assert not custom.keys() & refresh.keys()


def test_claims_of_every_token_that_we_issue_have_reserved_names(app):
    with app.app_context():
        for spec in (specs.access_token("", timedelta(1)), specs.refresh_token(timedelta(1))):
            _, claims = issue({}, spec)
            assert claims.keys() <= custom_claims.RESERVED
