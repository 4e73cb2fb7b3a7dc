"""The authorization endpoint: from an application's request to its authorization code."""

import pytest

from models import OAuthGrant
from tests.rows import audited, rows


@pytest.fixture
def ada(make_user):
    return make_user(email="ada@example.com")


@pytest.mark.stores
def test_user_signs_in_and_the_client_gets_a_code(app, relying_party, ada):
    answer = relying_party.authorize(ada)

    [grant] = rows(app, OAuthGrant)
    assert answer.keys() == {"code", "state", "iss"}
    assert (grant.client_id, grant.subject, grant.scopes) == (
        "shop",
        str(grant.user_id),
        ["openid", "profile", "email"],
    )
    assert [event.name for event in audited(app, "grant.authorized")] == ["grant.authorized"]
