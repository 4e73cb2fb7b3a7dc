"""The contract that every login method fulfils."""

import pytest

from gatehouse.core import plugins
from gatehouse.login import service as login
from gatehouse.login.method import Login, LoginForm
from models import Session
from tests.mfa.authenticator import Authenticator
from tests.rows import rows

UNKNOWN = "q8Zt0LwVb3nXk5RyH1uJd7GfPcMa2oTiEsQ9vYxB6mC"
WRONG = {
    "password": {"identifier": "ada@example.com", "password": "a wrong password"},
    "link": {"login_token": UNKNOWN, "token": UNKNOWN},
    "federated": {"federation_code": UNKNOWN, "code_verifier": "v" * 43},
}
"""A well-formed body with a wrong credential; a new method adds its own (see `wrong_form`)."""
each_method = pytest.mark.parametrize("name", plugins.list_names(login.PACKAGE))


def path_of(app, name):
    """Return the documented path of a method's route."""
    operation_id = login.METHODS[name].route.operation_id or f"log_in_with_{name}"
    documented = app.test_client().get("/openapi.json").json["paths"].items()
    [path] = [
        path
        for path, operations in documented
        if operations.get("post", {}).get("operationId") == operation_id
    ]
    return path


def wrong_form(client, name):
    """Return a body with a wrong credential."""
    if name != "passkey":
        return WRONG[name]
    authenticator = Authenticator()
    options = client.post("/auth/passkeys/authentication/options").json
    authenticator.user_handle = "bm9ib2R5"
    credential = authenticator.get(options["public_key"])
    return {"login_token": options["login_token"], "credential": credential}


@each_method
def test_login_method_declares_a_typed_form_and_a_route(app, name):
    method = login.METHODS[name]

    assert issubclass(method.schema, Login)
    assert issubclass(method.schema.form_type, LoginForm)
    assert path_of(app, name)


@each_method
def test_login_method_rejects_a_wrong_credential_and_opens_no_session(app, client, make_user, name):
    make_user(email="ada@example.com")

    response = client.post(path_of(app, name), wrong_form(client, name))

    assert response.status_code == 401, response.text
    assert rows(app, Session) == []


@each_method
def test_login_method_needs_its_members(app, client, name):
    response = client.post(path_of(app, name), {})

    assert response.status_code == 422
