"""`gatehouse roles` and `gatehouse permissions`: the same services as the operators' API."""

import json

import pytest

from models import Permission, Role
from tests.rows import rows


@pytest.fixture
def run(app):
    return lambda *arguments: app.test_cli_runner().invoke(args=list(arguments))


def test_roles_are_created_listed_assigned_and_deleted(app, client, make_user, run):
    user = make_user(username="ada")
    role = ("--permission", "orders:read", "--parent", "auditor")

    for command in (
        ("permissions", "create", "orders:read", "Read orders."),
        ("roles", "create", "clerk", "Reads orders.", *role),
        ("roles", "assign", "ada", "clerk", "--until", "2099-01-01T00:00", "--reason", "x"),
    ):
        assert run(*command).exit_code == 0, command

    roles = json.loads(run("roles", "list", "--json").output)["items"]
    assert "orders:read" in {one["name"]: one["all_permissions"] for one in roles}["clerk"]
    permissions = json.loads(run("permissions", "list", "--json").output)["items"]
    assert "orders:read" in {one["name"] for one in permissions}
    assert client.log_in(user)["user"]["roles"] == ["auditor", "clerk", "user"]
    for command in (
        ("roles", "unassign", "ada", "clerk"),
        ("roles", "delete", "clerk", "--yes"),
        ("permissions", "delete", "orders:read", "--yes"),
    ):
        assert run(*command).exit_code == 0, command
    assert client.log_in(user)["user"]["roles"] == ["user"]


def test_roles_report_mistakes_in_a_sentence(app, make_user, run):
    make_user(username="ada")

    for command in (
        ("roles", "create", "support", "x"),
        ("roles", "create", "a b", "x"),
        ("roles", "create", "clerk", "x", "--permission", "no:such"),
        ("roles", "delete", "admin", "--yes"),
        ("roles", "assign", "ada", "none"),
        ("roles", "unassign", "ada", "support"),
        ("permissions", "create", "users:read users:write", "x"),
        ("permissions", "create", "a:b", "x", "--audience", "b c"),
        ("permissions", "delete", "users:read", "--yes"),
        ("roles", "delete", "clerk"),
    ):
        result = run(*command)
        assert result.exit_code == 1, command
        assert "Traceback" not in result.output
    assert len(rows(app, Role)) == 4
    assert rows(app, Permission) == []


def test_roles_and_permissions_are_shown_and_changed(app, run):
    run("permissions", "create", "orders:read", "Read orders.")
    run("roles", "create", "clerk", "Reads orders.", "--permission", "orders:read")

    changed = run("roles", "change", "clerk", "--parent", "auditor", "--json")
    shown = run("roles", "show", "clerk")
    emptied = run("roles", "change", "clerk", "--no-permissions", "--description", "Audits.")

    assert json.loads(changed.output)["permissions"] == ["orders:read"]
    assert "audit:read" in json.loads(changed.output)["all_permissions"]
    assert "parents:         auditor" in shown.output
    assert emptied.output == "The role clerk is changed.\n"
    role = json.loads(run("roles", "show", "clerk", "--json").output)
    assert (role["permissions"], role["description"]) == ([], "Audits.")
    run("permissions", "change", "orders:read", "Read all orders.")
    permission = json.loads(run("permissions", "show", "orders:read", "--json").output)
    assert permission["description"] == "Read all orders."
    shown = run("permissions", "show", "orders:read").output
    assert "audience:" in shown
    assert "roles:           admin" in shown


def test_roles_of_a_user_are_listed(make_user, run):
    make_user(username="ada", roles=["support"])
    make_user(username="bob")

    [assigned] = json.loads(run("roles", "assigned", "ada", "--json").output)["roles"]
    assert assigned["role"] == "support"
    assert "support" in run("roles", "assigned", "ada").output
    assert run("roles", "assigned", "bob").output == "No roles.\n"


def test_roles_show_and_change_report_mistakes(run):
    mistakes = {
        ("roles", "show", "clerk"): (1, "There is no role clerk"),
        ("roles", "change", "clerk", "--description", "x"): (1, "does not exist"),
        ("roles", "change", "support", "--description", "x"): (1, "built in"),
        ("roles", "change", "support"): (2, "at least one option"),
        ("roles", "change", "x", "--parent", "a", "--no-parents"): (2, "--no-parents"),
        ("permissions", "show", "a:b"): (1, "There is no permission a:b"),
        ("permissions", "change", "users:read", "x"): (1, "built in"),
    }

    for arguments, (code, sentence) in mistakes.items():
        result = run(*arguments)
        assert (result.exit_code, sentence in result.output) == (code, True), result.output
