"""The id of another user's object answers as one that does not exist."""

import re
from uuid import UUID

import pytest

from models import ExternalIdentity, OAuthClient
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.grants import authorize_grant
from tests.surface.conftest import read_problem, read_tables

METHODS = {"get", "post", "put", "patch", "delete"}
OWN_OBJECTS = {
    ("DELETE", "/auth/sessions/{session_id}"),
    ("DELETE", "/auth/devices/{device_id}"),
    ("DELETE", "/auth/grants/{grant_id}"),
    ("DELETE", "/auth/identities/{identity_id}"),
    ("DELETE", "/auth/mfa/factors/{factor_id}"),
    ("POST", "/auth/mfa/factors/{factor_id}/confirm"),
}
"""Every operation of a signed-in user that names one of the user's own objects."""


def sign_in(app, client, make_user, email):
    """Return a client at AAL2, and the paths of its user's objects."""
    user = make_user(email=email, factors=["totp"])
    form = {"factor": "recovery_codes", "code": user.recovery_codes[0]}
    mine = client.as_(client.complete_mfa(user, client.log_in(user), **form, remember_device=True))
    pending = mine.post("/auth/mfa/factors", {"kind": "totp", "label": "Tablet"}).json["id"]
    lists = ("/auth/sessions", "/auth/devices", "/auth/mfa/factors")
    session, device, factor = (mine.get(path).json["items"][0]["id"] for path in lists)
    grant = authorize_grant(app, "shop", mine._bearer)
    owner = UUID(mine.get("/auth/me").json["id"])
    row = ExternalIdentity(user_id=owner, issuer="https://op.example", subject=email, provider="op")
    identity = add_row(app, row).id
    return mine, {
        f"DELETE /auth/devices/{device}": None,
        f"DELETE /auth/grants/{grant}": None,
        f"DELETE /auth/identities/{identity}": None,
        f"POST /auth/mfa/factors/{pending}/confirm": {"code": "123456"},
        f"DELETE /auth/mfa/factors/{factor}": None,
        f"DELETE /auth/sessions/{session}": None,
    }


@pytest.mark.requirement("AZ-02")
def test_object_of_another_user_is_not_found_and_stays(app, client, make_user):
    add_row(app, OAuthClient(**client_columns()))
    _, of_ada = sign_in(app, client, make_user, "ada@example.com")
    eve, of_eve = sign_in(app, client, make_user, "eve@example.com")
    before = read_tables(app)

    responses = {
        request: eve.send(*request.split(" "), json=form) for request, form in of_ada.items()
    }

    problems = {request: read_problem(response) for request, response in responses.items()}
    assert problems == dict.fromkeys(of_ada, (404, "not_found"))
    assert read_tables(app) == before
    for request, form in of_eve.items():  # its own objects are found
        assert eve.send(*request.split(" "), json=form).status_code in (204, 401), request


def test_operations_on_own_objects_are_all_tested(client):
    paths = client.get("/openapi.json").json["paths"]

    found = {
        (method.upper(), path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if path.startswith("/auth/") and method in METHODS and re.search(r"{\w+_id}", path)
    }

    assert found == OWN_OBJECTS
