"""No body of any operation sets what its form does not have: roles, ids, states, hashes."""

import json

import pytest

from tests.surface.conftest import FORMS
from tests.tokens.forgery import case

PRIVILEGED = {
    "id": "01900000-0000-7000-8000-000000000000",
    "user_id": "01900000-0000-7000-8000-000000000000",
    "owner_id": "01900000-0000-7000-8000-000000000000",
    "role": "admin",
    "roles": ["admin"],
    "permissions": ["users:write"],
    "scope": "users:write",
    "is_admin": True,
    "email": "eve@example.com",
    "email_verified": True,
    "email_verified_at": "2026-01-01T00:00:00Z",
    "phone_verified": True,
    "status": "active",
    "enabled": True,
    "disabled_at": None,
    "deleted_at": None,
    "created_at": "2026-01-01T00:00:00Z",
    "version": 7,
    "roles_version": 7,
    "password_hash": "$2b$04$" + "." * 53,
    "mfa": False,
    "factors": [],
    "amr": ["mfa"],
    "acr": "aal2",
    "tenant": "other",
    "built_in": True,
    "__class__": {"name": "User"},
}
MADE_ELSEWHERE = {"credential", "attributes", "schema", "jwks", "scopes"}
"""What WebAuthn signs is an object of the browser's: only the standard's members are read.

So is a JWK Set, and the members of `scopes` are the scopes themselves. Attributes are those that
an operator declares, as a JSON Schema: tests/users sends others.
"""


def iterate_forms(form, prefix=""):
    """Yield, for each object of a form, the form with more in that object, and what is more."""
    added = PRIVILEGED.keys() - form.keys()
    yield form | {name: PRIVILEGED[name] for name in added}, {f"{prefix}{name}" for name in added}
    for name, value in form.items():
        is_list = isinstance(value, list)
        inner = value[0] if is_list and value else value
        if not isinstance(inner, dict) or name in MADE_ELSEWHERE:
            continue
        place = f"{prefix}{name}.0." if is_list else f"{prefix}{name}."
        for more, names in iterate_forms(inner, place):
            yield form | {name: [more] if is_list else more}, names


@pytest.mark.requirement("RG-07")
def test_body_sets_nothing_that_its_form_does_not_have(send_invalid):
    """Each object of each body is sent with all that an attacker would like to set."""
    objects = 0

    for endpoint, form in FORMS.items():
        for body, added in iterate_forms(form):
            with case(endpoint=endpoint, body=body):
                response = send_invalid(endpoint, json.dumps(body))

                assert response.status_code == 422
                errors = response.json["errors"].items()
                codes = {name: [error["code"] for error in found] for name, found in errors}
                rejected = {name for name, found in codes.items() if found == ["unknown_field"]}
                assert rejected == added
                objects += 1

    assert objects > len(FORMS)
