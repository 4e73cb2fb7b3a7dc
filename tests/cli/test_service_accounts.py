"""`gatehouse service-accounts`: the same services as the operators' API."""

import json

import pytest

from gatehouse.tokens import sync
from models import ApiKey, ServiceAccount
from tests.rows import audited, rows

READ = ("--permission", "users:read")


@pytest.fixture
def run(app):
    def run(*arguments):
        result = app.test_cli_runner().invoke(args=["service-accounts", *arguments])
        with app.app_context():
            sync.refresh()
        return result

    return run


@pytest.fixture
def deploy(run, make_user):
    make_user(username="ada")
    assert run("create", "deploy", "Deploys.", "--owner", "ada", "--role", "support").exit_code == 0


def test_service_account_is_created_shown_changed_and_deleted(app, run, deploy):
    for command in (
        ("disable", "deploy"),
        ("change", "deploy", "--name", "ship", "--role", "auditor"),
        ("enable", "ship", "--json"),
    ):
        result = run(*command)
        assert result.exit_code == 0, result.output

    [listed] = json.loads(run("list", "--json").output)["items"]
    [role] = listed["roles"]
    assert (listed["name"], role["role"], listed["enabled"]) == ("ship", "auditor", True)
    assert run("list").output.split() == ["ship", "auditor"]
    assert json.loads(run("show", listed["id"], "--json").output) == listed
    assert "roles:           auditor" in run("show", "ship").output
    assert run("list-keys", "ship").output == "0 keys.\n"
    assert run("delete", "ship", "--yes").exit_code == 0
    assert rows(app, ServiceAccount) == []
    assert {event.actor_kind for event in audited(app, "service_account.changed")} == {"operator"}


def test_service_account_keys_are_created_rotated_and_revoked(app, client, run, deploy):
    created = run("create-key", "deploy", "CI", *READ, "--network", "127.0.0.0/8", "--json")
    old = json.loads(created.output)
    new = json.loads(run("rotate-key", "deploy", old["id"], "--json").output)
    printed = run("create-key", "deploy", "printed", *READ).output

    texts = [old["key"], new["key"], printed.split("ghk_")[1].split()[0]]
    texts[2] = f"ghk_{texts[2]}"
    verify = "/gateway/verify?require=users:read"
    assert [client.as_(text).get(verify).status_code for text in texts] == [200] * 3
    assert run("revoke-key", "deploy", new["id"], "--yes").exit_code == 0
    assert [client.as_(text).get(verify).status_code for text in texts] == [200, 401, 200]
    listed = run("list-keys", "deploy", "--json").output
    assert len(json.loads(listed)["items"]) == 3
    shown = listed + run("list-keys", "deploy").output + run("show", "deploy").output
    assert not any(text in shown for text in texts)
    assert shown.count("revoked 2") == 1


def test_service_account_commands_report_mistakes_in_a_sentence(app, run, deploy):
    for command in (
        ("create", "deploy", "x", "--owner", "ada"),
        ("create", "a b", "x", "--owner", "ada"),
        ("create", "other", "x", "--owner", "no-such-user"),
        ("create", "other", "x", "--owner", "ada", "--role", "none"),
        ("show", "other"),
        ("create-key", "deploy", "CI", "--permission", "users:delete"),
        ("create-key", "deploy", "CI", *READ, "--network", "here"),
        ("create-key", "deploy", "CI", *READ, "--until", "2099-01-01"),
        ("revoke-key", "deploy", "01a22c91-6b41-731d-bf70-a51137c2cd12", "--yes"),
        ("delete", "deploy"),
    ):
        result = run(*command)
        assert result.exit_code == 1, command
        assert "Traceback" not in result.output
    assert len(rows(app, ServiceAccount)) == 1
    assert rows(app, ApiKey) == []


def test_service_account_keys_are_revoked_when_a_backup_is_restored(
    app, client, run, deploy, tmp_path
):
    key = json.loads(run("create-key", "deploy", "CI", *READ, "--json").output)["key"]
    commands = app.test_cli_runner()

    for command in (("backup",), ("restore", "--yes")):
        result = commands.invoke(args=[command[0], f"{tmp_path}/backup", *command[1:]])
        assert result.exit_code == 0, result.output

    [row] = rows(app, ApiKey)
    assert row.revoked_at is not None
    with app.app_context():
        sync.refresh()
    assert client.as_(key).get("/gateway/verify").json["code"] == "api_key_revoked"
