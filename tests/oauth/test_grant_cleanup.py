"""Grants that no client can use any more are deleted."""

import pytest

from gatehouse.operations.cleanup import run_cleanup
from models import GrantStatusEntry, OAuthGrant
from tests.oauth.grants import authorize_grant
from tests.rows import rows


@pytest.mark.stores
def test_grants_are_deleted_when_their_code_expired_or_after_the_retention(
    app, client, make_user, make_client, wait
):
    make_client(id="shop")
    tokens = client.log_in(make_user())
    options = {"redeemed": {}, "unredeemed": {"redeemed": False}, "offline": {"offline": True}}
    grants = {
        name: authorize_grant(app, "shop", tokens["access_token"], **more)
        for name, more in options.items()
    }
    client.as_(tokens).post("/auth/logout")

    def remaining():
        with app.app_context():
            run_cleanup()
        kept = {row.id for row in rows(app, OAuthGrant)}
        return [name for name, grant_id in grants.items() if grant_id in kept]

    assert remaining() == ["redeemed", "unredeemed", "offline"]
    wait(hours=2)
    assert remaining() == ["redeemed", "offline"]
    wait(days=29)
    assert "offline" in remaining()
    wait(days=90)
    assert remaining() == []
    assert rows(app, GrantStatusEntry) == []
