"""The matrix of roles and operations: what an API key may do."""

import pytest

from gatehouse.authorization.permissions import DECLARED
from gatehouse.cli.reference import role_matrix
from gatehouse.cli.reference.role_matrix import KEY
from tests.admin.test_matrix import send
from tests.service_accounts.conftest import outcome
from tests.surface.conftest import FORMS, read_tables
from tests.tokens.forgery import case

NOT_FOR_KEYS = {
    (401, "api_key_not_accepted"),
    (403, "person_required"),
    (401, "token_missing"),  # where only the cookie counts
}
GRANTING = {"roles:write", "service-accounts:write"}
"""A key, which expires, grants nothing that lasts: that is `forbidden`, too."""


@pytest.fixture
def operations(app):
    """Every operation of the OpenAPI document that a key without its permission cannot use."""
    with app.app_context():
        return [one for one in role_matrix.list_operations() if one.needs_token]


@pytest.mark.requirement("AZ-01")
def test_key_with_every_permission_does_what_the_matrix_says(app, make_key, operations):
    key = make_key(*DECLARED)

    for operation in operations:
        with case(operation=operation.name):
            form = FORMS.get(tuple(operation.name.split(" ")))
            answer = outcome(send(key.client, operation, form=form))
            assert (answer not in NOT_FOR_KEYS) == role_matrix.is_allowed(KEY, operation)
            assert answer != (403, "forbidden") or operation.permission in GRANTING
    assert len([one for one in operations if one.permission]) > 20


@pytest.mark.requirement("AZ-01")
def test_key_without_the_permission_does_nothing(app, make_key, operations):
    guarded = [one for one in operations if one.permission]
    clients = {name: make_key(name).client for name in ("users:read", "audit:read")}
    before = read_tables(app)

    for operation in guarded:
        own = "users:read" if operation.permission == "audit:read" else "audit:read"
        with case(operation=operation.name):
            form = FORMS.get(tuple(operation.name.split(" ")))
            answer = outcome(send(clients[own], operation, form=form))
            assert answer in {(403, "forbidden"), (403, "person_required")}

    after = read_tables(app)
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"audit_events", "api_keys"}
