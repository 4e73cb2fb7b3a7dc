"""A service account gets access tokens for an API with one of its API keys."""

import base64

import pytest

from models import OAuthResource
from tests.oauth.conftest import add_row
from tests.tokens.forgery import decode_token

API = "https://orders.example.com"


@pytest.fixture
def clerk(app, admin):
    """A role with a permission of an API, and one of ours."""
    scopes = {"orders:read": "Read orders", "orders:write": "Change orders"}
    add_row(app, OAuthResource(audience=API, name="Orders", scopes=scopes))
    for name in scopes:
        form = {"name": name, "description": "Orders.", "audience": API}
        assert admin.post("/admin/permissions", form).status_code == 201
    role = {"name": "clerk", "description": "A clerk."}
    given = {"permissions": ["orders:read", "users:read"]}
    assert admin.post("/admin/roles", role | given).status_code == 201
    return "clerk"


def request_token(app, account, key, **form):
    pair = base64.b64encode(f"{account}:{key}".encode()).decode()
    form = {"grant_type": "client_credentials", **form}
    headers = {"Authorization": f"Basic {pair}"}
    return app.test_client().post("/oauth2/token", data=form, headers=headers)


@pytest.mark.requirement("OA-19", "OA-11")
def test_service_account_gets_the_permissions_of_its_key_for_one_api(
    app, client, admin, clerk, make_account, make_key
):
    account = make_account(clerk)
    key = make_key("orders:read", account=account)
    account_id = account.rpartition("/")[2]

    given = request_token(app, account_id, key.text, resource=API)
    more = request_token(app, account_id, key.text, resource=API, scope="orders:write")
    other = request_token(app, account_id, key.text, resource="https://other.example.com")
    wrong = request_token(app, account_id, key.text[:-1] + "x", resource=API)
    foreign = request_token(app, "01900000-0000-7000-8000-000000000000", key.text, resource=API)
    code = request_token(app, account_id, key.text, grant_type="authorization_code", code="x")

    assert given.status_code == 200, given.text
    _, claims = decode_token(given.json["access_token"])
    assert (claims["sub"], claims["client_id"]) == (account_id, account_id)
    assert (claims["aud"], claims["scope"]) == (API, "orders:read")
    assert "refresh_token" not in given.json
    errors = [one.json["error"] for one in (more, other, wrong, foreign, code)]
    assert errors[:4] == ["invalid_scope", "invalid_target", "invalid_client", "invalid_client"]
    assert errors[4] == "unauthorized_client"
    bearer = {"Authorization": f"Bearer {given.json['access_token']}"}
    assert client.get("/admin/users", headers=bearer).status_code == 401

    version = {"If-Match": admin.get(account).headers.get("ETag", "")}
    assert admin.patch(account, {"enabled": False}, headers=version).status_code < 300
    disabled = request_token(app, account_id, key.text, resource=API)
    assert (disabled.status_code, disabled.json["error"]) == (401, "invalid_client")
