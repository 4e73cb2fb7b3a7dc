"""`gatehouse hooks`: the same services as the operators' API."""

import json

import pytest

from models import Hook, WebhookDelivery
from tests.rows import audited, rows
from tests.webhook_receiver import webhook_receiver

URL = "https://hooks.example.com/gatehouse"


@pytest.fixture
def run(app):
    return lambda *arguments: app.test_cli_runner().invoke(args=["hooks", *arguments])


@pytest.fixture
def crm(run):
    created = run("create", "webhook", "crm", URL, "--event", "*", "--json")
    assert created.exit_code == 0, created.output
    return json.loads(created.output)


def test_hook_is_created_shown_changed_and_deleted(app, run, crm):
    changed = run("change", "crm", "--name", "erp", "--event", "user.created", "--disable")
    blocking = run("create", "before_login", "fraud", URL, "--on-failure", "deny")
    rotated = json.loads(run("rotate-secret", "erp", "--json").output)

    assert changed.exit_code == blocking.exit_code == 0
    assert "whsec_" in blocking.output
    assert rotated["secret"] != crm["secret"]
    assert [line.split() for line in run("list").output.splitlines()] == [
        ["fraud", "before_login", URL],
        ["erp", "webhook", "disabled", URL],
    ]
    shown = json.loads(run("show", crm["id"], "--json").output)
    assert (shown["events"], shown["enabled"]) == (["user.created"], False)
    assert "secret" not in shown
    assert "events:          user.created" in run("show", "erp").output.splitlines()
    assert run("delete", "erp", "--yes").exit_code == 0
    assert [row.name for row in rows(app, Hook)] == ["fraud"]
    assert {event.actor_kind for event in audited(app, "hook.changed")} == {"operator"}


def test_hook_commands_report_mistakes_in_a_sentence(app, run, crm):
    for command in (
        ("create", "webhook", "crm", URL, "--event", "*"),
        ("create", "webhook", "a b", URL, "--event", "*"),
        ("create", "webhook", "other", URL),
        ("create", "webhook", "other", URL, "--event", "Users"),
        ("create", "webhook", "other", "http://hooks.example.com", "--event", "*"),
        ("create", "webhook", "other", f"{URL}?{'x' * 2000}", "--event", "*"),
        ("create", "before_login", "other", URL),
        ("change", "crm", "--on-failure", "deny"),
        ("show", "other"),
        ("delete", "crm"),
    ):
        result = run(*command)
        assert result.exit_code == 1, command
        assert "Traceback" not in result.output
    [row] = rows(app, Hook)
    assert row.on_failure is None


@pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1")
def test_hook_commands_test_list_and_replay(app, run):
    with webhook_receiver() as receiver:
        run("create", "webhook", "crm", receiver.url, "--event", "*")
        app.test_cli_runner().invoke(args=["users", "create", "ada@example.com"])

        accepted = run("test", "crm")
        receiver.answer = lambda _event: (404, b"", {})
        rejected, rejected_as_json = run("test", "crm"), run("test", "crm", "--json")
        [listed] = json.loads(run("deliveries", "crm", "--json").output)["items"]
        lines = run("deliveries", "crm").output.splitlines()
        one = run("replay", "crm", "--delivery", listed["event_id"])
        since = run("replay", "crm", "--since", "2026-01-01T00:00")

    assert [event["type"] for event in receiver.events] == ["hook.test"] * 3
    codes = [one.exit_code for one in (accepted, rejected, rejected_as_json)]
    assert codes == [0, 1, 1]
    assert json.loads(rejected_as_json.output)["status"] == 404
    assert accepted.output.endswith("was accepted. It answered 200.\n")
    assert rejected.output == "Error: It answered 404. Check the path of the URL.\n"
    assert (listed["type"], listed["state"]) == ("user.created", "pending")
    assert lines[0].split()[:3] == [listed["event_id"], "user.created", "pending"]
    assert one.output == since.output == "1 event is delivered again.\n"
    assert run("replay", "crm").exit_code == 2
    assert len(rows(app, WebhookDelivery)) == 1
