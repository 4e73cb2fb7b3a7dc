"""The matrix of roles and operations: each request is sent as anonymous and by each role."""

import re

import pytest

from gatehouse.authorization.permissions import BUILT_IN_ROLES
from gatehouse.cli.reference import role_matrix
from tests.tokens.forgery import case

SOME_ID = "01a22c91-6b41-731d-bf70-a51137c2cd12"


def send(client, operation):
    method, path = operation.split(" ")
    return client.send(method, re.sub(r"{[^}]*}", SOME_ID, path), json={})


@pytest.mark.requirement("AZ-01")
def test_matrix_of_roles_is_what_the_operations_answer(app, client, sign_in_as):
    with app.app_context():
        guarded = [one for one in role_matrix.list_operations() if one[1]]
    clients = {role: sign_in_as(role) for role in BUILT_IN_ROLES}

    for operation, permission, needs_token in guarded:
        with case(operation=operation):
            assert send(client, operation).status_code == 401
            for role, signed_in in clients.items():
                allowed = role_matrix.is_allowed(role, permission, needs_token)
                denied = send(signed_in, operation).status_code == 403
                assert (role, denied) == (role, not allowed)
    assert len(guarded) > 10


@pytest.mark.requirement("AZ-01")
def test_administration_has_no_operation_without_a_permission(app):
    with app.app_context():
        operations = list(role_matrix.list_operations())

    unguarded = [name for name, permission, _ in operations if not permission]
    assert [name for name in unguarded if "/admin" in name] == []
