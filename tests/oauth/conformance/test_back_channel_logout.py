"""The module of the plan Back-Channel Logout OP (that of its metadata is in `test_config`).

OpenID Connect Back-Channel Logout sections 2.4 to 2.6 say what it asserts.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from gatehouse.oauth.logout_worker import LogoutWorker
from tests.oauth.relying_party import answer_of
from tests.webhook_receiver import webhook_receiver

BACK = "https://shop.example.com/signed-out"
EVENT = "http://schemas.openid.net/event/backchannel-logout"

pytestmark = [
    pytest.mark.requirement("OP-08"),
    pytest.mark.requirement("OP-06"),
    pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1"),
]


@pytest.fixture
def receiver():
    with webhook_receiver(read=lambda body: parse_qs(body.decode(), strict_parsing=True)) as it:
        yield it


def test_oidcc_backchannel_rp_initiated_logout(app, register, receiver, user):
    party = register(backchannel_logout_uri=receiver.url)
    signed_in = party.sign_in(user)
    sent = {
        "id_token_hint": signed_in["id_token"],
        "post_logout_redirect_uri": BACK,
        "state": "bye",
    }

    page = party.browser.visit(f"{party.issuer}/oauth2/logout?{urlencode(sent)}")
    with app.app_context():
        LogoutWorker().deliver_due()

    assert answer_of(page, BACK) == {"state": "bye"}
    [form] = receiver.events
    assert form.keys() == {"logout_token"}
    assert_logout_token(party, form["logout_token"][0], signed_in["claims"])
    assert party.authorize(prompt="none")["error"] == "login_required"


def assert_logout_token(party, encoded, id_claims):
    """The token ends the session that the ID token is of, and nothing else."""
    keys = KeySet.import_key_set(party.get("/.well-known/jwks.json").json)
    token = jwt.decode(encoded, keys, algorithms=["RS256"])
    claims = token.claims
    assert token.header["typ"] == "logout+jwt"
    assert (claims["iss"], claims["aud"]) == (party.issuer, party.client.id)
    assert (claims["sub"], claims["sid"]) == (id_claims["sub"], id_claims["sid"])
    assert claims["events"] == {EVENT: {}}
    assert claims["iat"] <= claims["exp"] <= claims["iat"] + 120
    assert claims["jti"]
    assert "nonce" not in claims
