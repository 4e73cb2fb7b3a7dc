"""`flask roles` and `flask permissions`: the same services as the operators' API."""

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

    assert "orders:read" in json.loads(run("roles", "list", "--json").output)["clerk"]
    assert "orders:read" in json.loads(run("permissions", "list", "--json").output)
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
