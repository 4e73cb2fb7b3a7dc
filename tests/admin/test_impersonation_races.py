"""An impersonation that begins while its right is lost, in twenty parallel requests, is over."""

from functools import partial

import pytest

from models import Session
from tests.admin.conftest import ADA, REASON
from tests.admin.test_impersonation import DEPUTY, create_deputies
from tests.parallel import run_in_parallel
from tests.rows import rows
from tests.tokens.forgery import case

DEPUTY_EMAIL = "deputy@example.com"
pytestmark = [
    pytest.mark.stores,
    pytest.mark.requirement("AZ-04"),
    pytest.mark.requirement("AZ-08"),
]


def take_role_away(admin, path_of, _deputy):
    """The deputy is no deputy any more."""
    return admin.put(path_of(DEPUTY_EMAIL, "roles"), {"roles": []})


def take_permission_away(admin, _path_of, _deputy):
    """No deputy may act as users any more."""
    return admin.patch("/admin/roles/deputy", {"permissions": DEPUTY[:2]})


def promote_user(admin, path_of, _deputy):
    """The user has more permissions than the deputy from now on."""
    return admin.put(path_of(ADA, "roles"), {"roles": [{"role": "admin"}]})


def disable_user(admin, path_of, _deputy):
    """The user is disabled."""
    return admin.post(path_of(ADA, "disable"), REASON)


def disable_administrator(admin, path_of, _deputy):
    """The deputy is disabled."""
    return admin.post(path_of(DEPUTY_EMAIL, "disable"), REASON)


def log_administrator_out(_admin, _path_of, deputy):
    """The deputy's session ends."""
    return deputy.post("/auth/logout")


LOSSES = (
    *(take_role_away, take_permission_away, promote_user),
    *(disable_user, disable_administrator, log_administrator_out),
)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_impersonation_does_not_survive_the_loss_of_its_right(
    app, client, admin, ada, sign_in_as, path_of, loss
):
    create_deputies(admin)
    deputy = sign_in_as("deputy", email=DEPUTY_EMAIL)
    start = partial(deputy.post, path_of(ADA, "impersonate"), REASON)
    lose = partial(loss, admin, path_of, deputy)

    *started, lost = run_in_parallel(*[start] * 19, lose)

    assert lost.status_code in (200, 204), lost.text
    assert [row.id for row in rows(app, Session) if row.actor_id and row.ended_at is None] == []
    for response in started:
        with case(answer=response.json):
            assert response.status_code in (200, 401, 403, 409)
            if response.status_code == 200:
                assert client.as_(response.json).get("/auth/me").status_code == 401
    assert start().status_code in (401, 403, 409)
