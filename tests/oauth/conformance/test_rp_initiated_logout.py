"""The modules of the plan RP-Initiated Logout OP (that of its metadata is in `test_config`).

OpenID Connect RP-Initiated Logout sections 2 to 4 say what they assert.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.client import User
from tests.oauth.conformance.checks import unsigned
from tests.oauth.form_browser import Page
from tests.oauth.relying_party import RelyingParty, answer_of, decode_unchecked

pytestmark = [pytest.mark.requirement("OP-08"), pytest.mark.requirement("OP-05")]
BACK = "https://shop.example.com/signed-out"


@pytest.fixture
def party(register: Callable[..., RelyingParty], user: User) -> RelyingParty:
    """A client of the plan, whose user is signed in."""
    party = register()
    party.sign_in(user)
    return party


def log_out(party: RelyingParty, **changes: Any) -> Page:
    """Send the browser to the end of the session; None leaves a parameter out."""
    sent = {
        "id_token_hint": party.tokens["id_token"],
        "post_logout_redirect_uri": BACK,
        "state": "bye",
    }
    given = {name: value for name, value in (sent | changes).items() if value is not None}
    return party.browser.visit(f"{party.issuer}/oauth2/logout?{urlencode(given)}")


def confirm(party: RelyingParty, page: Page) -> Page:
    """Press the button of the page that asks whether to sign out."""
    return party.browser.walk(page, {})


def test_oidcc_rp_initiated_logout(party: RelyingParty) -> None:
    page = log_out(party)

    assert answer_of(page, BACK) == {"state": "bye"}
    assert_signed_out(party)


def test_oidcc_rp_initiated_logout_no_state(party: RelyingParty) -> None:
    page = log_out(party, state=None)

    assert page.url == BACK
    assert_signed_out(party)


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(party: RelyingParty) -> None:
    page = log_out(party, post_logout_redirect_uri="https://evil.example.com/signed-out")

    assert_stays(party, page)


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(
    party: RelyingParty,
) -> None:
    assert_stays(party, log_out(party, post_logout_redirect_uri=f"{BACK}?foo=bar"))


def test_oidcc_rp_initiated_logout_modified_id_token_hint(party: RelyingParty) -> None:
    claims = dict(decode_unchecked(party.tokens["id_token"])[1])

    assert_stays(party, log_out(party, id_token_hint=unsigned(claims)))


def test_oidcc_rp_initiated_logout_bad_id_token_hint(party: RelyingParty) -> None:
    now = int(time.time())
    claims = {"iss": party.issuer, "aud": party.client.id, "sub": "ada", "iat": now}
    key = OctKey.import_key(secrets.token_bytes(32))
    forged = jwt.encode({"alg": "HS256"}, claims | {"exp": now + 300}, key)

    assert_stays(party, log_out(party, id_token_hint=forged))


def test_oidcc_rp_initiated_logout_no_id_token_hint(party: RelyingParty) -> None:
    assert_stays(party, log_out(party, id_token_hint=None))


def test_oidcc_rp_initiated_logout_no_params(party: RelyingParty) -> None:
    page = log_out(party, id_token_hint=None, post_logout_redirect_uri=None, state=None)

    assert_stays(party, page)
    assert_signed_out(party)


def test_oidcc_rp_initiated_logout_only_state(party: RelyingParty) -> None:
    page = log_out(party, id_token_hint=None, post_logout_redirect_uri=None)

    assert_stays(party, page)
    assert_signed_out(party)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(party: RelyingParty) -> None:
    page = log_out(party, post_logout_redirect_uri=None)

    assert_stays(party, page)
    assert_signed_out(party)


def assert_stays(party: RelyingParty, page: Page) -> None:
    """No redirect leads to the client, whatever the user confirms; a page is shown."""
    assert page.url.startswith(f"{party.issuer}/")
    assert page.response.mimetype == "text/html"
    end = confirm(party, page)
    assert end.url.startswith(f"{party.issuer}/")
    assert end.response.status_code in (200, 400)


def assert_signed_out(party: RelyingParty) -> None:
    """The provider would ask the user to sign in again."""
    assert party.authorize(prompt="none")["error"] == "login_required"
