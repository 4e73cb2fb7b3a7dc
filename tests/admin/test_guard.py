"""The guard of administration: a permission, a second factor, and a recent authentication."""

import pytest

from tests.rows import audited

PERMISSIONS = "/admin/permissions"


def read_outcome(response):
    return response.status_code, response.json["code"] if response.status_code >= 400 else ""


@pytest.mark.requirement("AZ-01")
def test_guard_admits_users_whose_role_grants_the_permission(app, client, make_user, sign_in_as):
    make_user()

    assert read_outcome(client.get(PERMISSIONS)) == (401, "token_missing")
    assert read_outcome(sign_in_as().get(PERMISSIONS)) == (403, "forbidden")
    assert read_outcome(sign_in_as("admin").get(PERMISSIONS)) == (200, "")
    [denied] = audited(app, "authorization.denied")
    assert denied.details == {"permission": "roles:read", "code": "forbidden"}


@pytest.mark.requirement("AZ-05")
def test_guard_requires_a_second_factor_of_administrators(client, make_user):
    tokens = client.log_in(make_user(roles=["admin"]))

    response = client.as_(tokens).get(PERMISSIONS)

    assert read_outcome(response) == (401, "insufficient_user_authentication")
    assert 'acr_values="aal2"' in response.headers["WWW-Authenticate"]


@pytest.mark.requirement("AZ-05")
def test_guard_requires_a_second_factor_of_the_last_ten_minutes(sign_in_as, wait):
    administrator = sign_in_as("admin")

    wait(minutes=9)
    before = read_outcome(administrator.get(PERMISSIONS))
    wait(minutes=0.9)
    later = read_outcome(administrator.get(PERMISSIONS))
    wait(seconds=10)

    assert (before, later) == ((200, ""), (200, ""))
    assert read_outcome(administrator.get(PERMISSIONS))[0] == 401


def test_guard_limits_all_routes_of_administration_together(app):
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/admin/")]

    assert len(rules) > 20
    for rule in rules:
        assert getattr(app.view_functions[rule.endpoint], "limit", None) == "admin", rule
