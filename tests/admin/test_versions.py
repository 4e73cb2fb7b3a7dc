"""A change of roles, permissions and assignments names the version that its author has seen."""

from functools import partial

import pytest

from tests.admin.conftest import ADA, if_match, outcome
from tests.client import Client
from tests.parallel import run_in_parallel

STALE = (412, "precondition_failed")
ROLE, PERMISSION = "/admin/roles/clerk", "/admin/permissions/orders:read"


@pytest.fixture
def clerk(admin):
    """A role that grants a permission."""
    admin.post("/admin/permissions", {"name": "orders:read", "description": "Read orders"})
    form = {"name": "clerk", "description": "Reads", "permissions": ["orders:read"], "parents": []}
    assert admin.post("/admin/roles", form).status_code == 201


@pytest.mark.parametrize("path", [ROLE, PERMISSION])
def test_change_of_another_version_is_rejected(admin, clerk, path):
    read = admin.get(path)
    form = {"description": "Another description"}

    changed = admin.patch(path, form, headers=if_match(read))

    assert changed.status_code == 200
    assert outcome(admin.patch(path, {"description": "x"}, headers=if_match(read))) == STALE
    assert outcome(admin.delete(path, headers=if_match(read))) == STALE
    assert admin.get(path).json["description"] == "Another description"
    assert admin.delete(path, headers=if_match(changed)).status_code == 204


def test_roles_of_a_user_are_replaced_in_the_version_that_was_read(admin, clerk, ada, path_of):
    path = path_of(ADA, "roles")
    read = admin.get(path)

    replaced = admin.put(path, {"roles": [{"role": "clerk"}]}, headers=if_match(read))

    assert replaced.status_code == 200
    assert outcome(admin.put(path, {"roles": []}, headers=if_match(read))) == STALE
    assert [one["role"] for one in admin.get(path).json["roles"]] == ["clerk"]
    assert admin.put(path, {"roles": []}, headers=if_match(replaced)).status_code == 200


@pytest.mark.stores
def test_roles_of_one_version_are_replaced_once_in_twenty_parallel_requests(
    app, admin, clerk, ada, path_of
):
    path = path_of(ADA, "roles")
    headers = if_match(admin.get(path))

    def replace(number):
        own = Client(app.test_client, admin._bearer)
        form = {"roles": [{"role": "clerk", "reason": f"ticket {number}"}]}
        return own.put(path, form, headers=headers).status_code

    statuses = run_in_parallel(*[partial(replace, number) for number in range(20)])

    assert sorted(statuses) == [200] + [412] * 19
