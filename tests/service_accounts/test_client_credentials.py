"""Service accounts as OAuth clients: their id and an API key are client id and secret."""

import pytest

from gatehouse.core.errors import ApiError
from gatehouse.oauth.client_authentication import (
    ClientCredentials,
    authenticate_client,
    authenticate_client_or_service_account,
)
from gatehouse.web.request_context import request_context


@pytest.mark.requirement("OA-11")
def test_api_key_authenticates_its_service_account_as_a_client(app, make_key, make_account):
    key, other = make_key("users:read"), make_account("admin", name="other")
    account = key.account.rpartition("/")[2]

    def authenticate(client_id, secret):
        credentials = ClientCredentials(client_id, secret)
        with app.test_request_context(environ_overrides={"gatehouse.request_id": "r"}):
            try:
                return authenticate_client_or_service_account(credentials, request_context()).sub
            except ApiError as error:
                return error.code

    wrong = (
        (other.rpartition("/")[2], key.text),
        ("shop", key.text),
        (account, f"{key.text}x"),
        (account, "ghk_"),
        (account, "another-secret"),
    )
    assert authenticate(account, key.text) == account
    assert {authenticate(*one) for one in wrong} == {"invalid_client"}


def test_api_key_is_no_client_secret_of_other_grants(app, make_key):
    key = make_key()
    account = key.account.rpartition("/")[2]

    with (
        app.test_request_context(environ_overrides={"gatehouse.request_id": "r"}),
        pytest.raises(ApiError) as raised,
    ):
        authenticate_client(ClientCredentials(account, key.text))

    assert raised.value.code == "invalid_client"


def test_client_of_a_disabled_service_account_is_rejected(app, admin, make_account, owner_id):
    account = make_account("admin")
    form = {"client_id": "billing", "kind": "service", "name": "Billing"}
    registered = admin.post(
        "/admin/clients", form | {"service_account_id": account.rpartition("/")[2]}
    )
    credentials = ClientCredentials("billing", registered.json["client_secret"])

    def authenticate():
        with app.test_request_context(environ_overrides={"gatehouse.request_id": "r"}):
            try:
                return authenticate_client(credentials).id
            except ApiError as error:
                return error.code

    admin.patch("/admin/clients/billing", {"authentication_method": "client_secret_post"})
    assert authenticate() == "billing"
    admin.patch(account, {"enabled": False})
    assert authenticate() == "invalid_client"
    admin.patch(account, {"enabled": True})
    admin.post(f"/admin/users/{owner_id}/disable", {"reason": "left"})
    assert authenticate() == "invalid_client"
