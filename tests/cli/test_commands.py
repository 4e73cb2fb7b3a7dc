"""Operator commands: their output, effects, audit events and errors."""

import os
import re
import subprocess
import sys

import pytest
import time_machine
from sqlalchemy import delete, text, update

import config
from gatehouse.cli.server import server_options
from gatehouse.database.session import db, write_transaction
from gatehouse.tokens import keys
from models import AuditEvent, FailedAttemptCounter, OneTimeCode, SigningKey, User
from tests.client import PASSWORD
from tests.client import User as Person
from tests.conftest import key, running
from tests.rows import audited, rows
from tests.surface.conftest import read_tables

GROUPS = ["keys", "users", "passwords", "docs"]


@pytest.fixture
def flask(app):
    """Run a command: flask("keys", "list") -> exit code and output."""

    def flask(*arguments):
        return app.test_cli_runner().invoke(args=arguments)

    return flask


def list_keys(flask):
    """Return stage and kid of our own tokens' keys in the output of `gatehouse keys list`."""
    return re.findall(
        r"^(\w+) +ES256 +(\S+)  made [\d-]+ [\d:]+$", flask("keys", "list").output, re.M
    )


# Keys


def test_keys_list_shows_the_stage_of_each_key_and_never_the_key(flask):
    assert [stage for stage, _ in list_keys(flask)] == ["active", "next"]
    assert "PRIVATE" not in flask("keys", "list").output


def test_keys_rotate_activates_the_next_key_and_creates_another(app, flask):
    (_, first), (_, second) = list_keys(flask)

    with time_machine.travel("2100-01-01T00:00:00Z", tick=False):  # published long ago
        result = flask("keys", "rotate")
        after = list_keys(flask)

    assert result.exit_code == 0
    assert f"{second} signs from now on" in result.output
    assert after[:2] == [("retired", first), ("active", second)]
    assert [stage for stage, _ in after] == ["retired", "active", "next"]
    assert {"kid": second} in [event.details for event in audited(app, "key.activated")]


def test_keys_rotate_creates_the_first_keys_in_an_unused_database(app, flask):
    with app.app_context():
        db.session.execute(delete(SigningKey))
        db.session.commit()

    result = flask("keys", "rotate")

    assert result.exit_code == 0
    assert [stage for stage, _ in list_keys(flask)] == ["retired", "active", "next"]


def test_keys_revoke_revokes_a_key_and_records_it(app, flask):
    kid = list_keys(flask)[0][1]

    result = flask("keys", "revoke", kid)

    assert (result.exit_code, result.output) == (0, f"{kid} is revoked.\n")
    assert list_keys(flask)[0] == ("expired", kid)
    assert [event.details for event in audited(app, "key.revoked")] == [{"kid": kid}]


def test_keys_revoke_of_an_unknown_key_changes_nothing(app, flask):
    before = read_tables(app)

    for kid in ("unknown", "", "' OR 1=1 --", "-x"):
        result = flask("keys", "revoke", "--", kid)

        assert result.exit_code == 1, kid
        assert f"there is no key {kid}; `gatehouse keys list` shows them" in result.output, kid
    assert read_tables(app) == before


def test_keys_rotate_encryption_is_recorded(app, flask):
    flask("keys", "rotate-encryption")

    [event] = audited(app, "secrets.reencrypted")
    assert event.details == {"count": 0}
    assert event.request_id == "command-line"


# Users


@pytest.mark.stores
def test_users_invite_sends_a_link_that_creates_an_account_with_the_role(client, flask):
    result = flask("users", "invite", "root@example.com", "--role", "admin")

    link = client.mailbox(to="root@example.com")[0]["variables"]["link"]
    form = {"token": link.rpartition("#")[2], "password": PASSWORD}
    assert result.exit_code == 0
    assert link in result.output
    assert client.post("/auth/invitation", form).status_code == 204
    assert "admin" in client.log_in(Person("root@example.com"))["user"]["roles"]


def test_users_invite_rejects_invalid_and_known_addresses_and_unknown_roles(app, flask, make_user):
    make_user(email="ada@example.com")
    before = read_tables(app)
    cases = [
        ("no-email", "user", "@"),
        ("a b@example.com", "user", "."),
        (
            "bob@example.com",
            "king",
            "There is no role 'king'; there are admin, auditor, support, user.",
        ),
        ("ada@example.com", "user", "ada@example.com has an account already."),
        ("ADA@Example.com", "user", "has an account already."),
    ]

    for email, role, sentence in cases:
        result = flask("users", "invite", email, "--role", role)

        assert result.exit_code == 1, email
        assert result.output.startswith("Error: "), email
        assert sentence in result.output, email
    assert read_tables(app) == before


def test_users_invite_is_recorded_without_its_secret(app, flask):
    result = flask("users", "invite", "root@example.com", "--role", "admin")

    token = re.search(r"#(\S+)", result.output)[1]
    [event] = audited(app, "invitation.sent")
    assert event.details == {"role": "admin"}
    assert token not in str(read_tables(app))
    assert len(rows(app, OneTimeCode)) == 1


@pytest.mark.stores
def test_users_unlock_lets_known_and_unknown_devices_try_again(app, client, flask, make_user):
    ada = make_user(email="ada@example.com", username="ada")
    device = {"X-Device-Token": client.log_in(ada)["device_token"]}
    wrong = {"identifier": "ada", "password": "not her password"}
    right = {"identifier": "ada", "password": ada.password}
    for _ in range(5):
        client.post("/auth/login", wrong, headers=device)
    other_network = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.1"}}
    client.post("/auth/login", wrong)
    lock_account(app)
    assert client.post("/auth/login", right, headers=device).status_code == 429
    assert client.post("/auth/login", right, **other_network).status_code == 429

    result = flask("users", "unlock", "ADA@example.com")

    assert (result.exit_code, result.output) == (0, "ADA@example.com is unlocked.\n")
    assert client.post("/auth/login", right, **other_network).status_code == 200
    assert client.post("/auth/login", right, headers=device).status_code == 200
    assert [event.user_id for event in audited(app, "account.unlocked")] == [rows(app, User)[0].id]


def lock_account(app):
    """Raise the counters with one failure to a hundred, which locks the account."""
    statement = update(FailedAttemptCounter).where(FailedAttemptCounter.failures == 1)
    with app.app_context():
        db.session.execute(
            statement.values(failures=100, blocked_until=text("'9999-01-01 00:00:00'"))
        )
        db.session.commit()


def test_users_unlock_reports_an_unknown_account(app, flask):
    before = read_tables(app)

    result = flask("users", "unlock", "unknown@example.com")

    assert (result.exit_code, result.output) == (1, "Error: unknown@example.com has no account.\n")
    assert read_tables(app) == before


# Passwords


@pytest.mark.stores
def test_passwords_status_counts_the_hashes_of_each_pepper(settings_environment, store):
    old, new = key(2).replace("test", "old"), key(7).replace("test", "new")
    peppers = {"GATEHOUSE_PASSWORD_PEPPERS": old}
    with running(settings_environment | peppers) as app:
        for number in range(2):
            app.test_cli_runner().invoke(args=["users", "invite", f"p{number}@example.com"])
        accept_all_invitations(app)

    with running(settings_environment | {"GATEHOUSE_PASSWORD_PEPPERS": f"{new},{old}"}) as app:
        both = app.test_cli_runner().invoke(args=["passwords", "status"]).output
    with running(settings_environment | {"GATEHOUSE_PASSWORD_PEPPERS": new}) as app:
        too_early = app.test_cli_runner().invoke(args=["passwords", "status"]).output

    assert both.split() == ["new", "0", "old", "2"]
    assert too_early.split() == ["new", "0", "old", "2"]


def accept_all_invitations(app):
    with app.app_context():
        with write_transaction():
            keys.ensure_keys()
        db.session.commit()
    client = app.test_client()
    mails = client.get("/dev/mailbox", headers={"Accept": "application/json"}).json["items"]
    for mail in mails:
        token = mail["variables"]["link"].rpartition("#")[2]
        client.post("/auth/invitation", json={"token": token, "password": PASSWORD})


# The commands themselves


def test_commands_have_a_help_text_that_begins_with_a_sentence(app, flask):
    for group in GROUPS:
        page = flask(group, "--help").output
        for name, command in app.cli.commands[group].commands.items():
            assert name in page, group
            assert re.fullmatch(r"[A-Z].+[.?!]", command.help.splitlines()[0]), name
            assert flask(group, name, "--help").exit_code == 0, name


def test_serve_help_describes_the_command(flask):
    assert "serve until SIGTERM" in flask("serve", "--help").output


def test_commands_show_their_usage_when_called_wrongly(flask):
    for arguments in (("keys", "revoke"), ("users", "invite"), ("keys", "spin")):
        result = flask(*arguments)

        assert result.exit_code == 2
        assert "Usage:" in result.output


@pytest.mark.stores
def test_commands_report_missing_tables_without_a_traceback(app, flask):
    with app.app_context():
        db.session.execute(text("DROP TABLE signing_keys"))
        db.session.execute(text("DROP TABLE passwords"))
        db.session.commit()

    for command in (("keys", "list"), ("passwords", "status")):
        result = flask(*command)

        assert result.exit_code == 1
        assert "has the tables of another version: run `gatehouse db upgrade`." in result.output
        assert "Traceback" not in result.output


def test_commands_record_events_with_the_request_id_command_line(app, flask):
    flask("users", "invite", "root@example.com")
    flask("keys", "revoke", list_keys(flask)[0][1])

    found = {
        (event.request_id, event.ip_address, event.user_agent) for event in rows(app, AuditEvent)
    }
    assert found == {("command-line", "", "")}


@pytest.mark.settings(PORT="8123", GATEHOUSE_WORKERS="3", GATEHOUSE_THREADS="5")
def test_serve_passes_the_settings_to_granian(app):
    given = server_options(app.extensions["gatehouse.settings"])

    assert (given["address"], given["port"], given["workers"]) == ("127.0.0.1", 8123, 3)
    assert given["interface"] == "rsgi"


def test_help_is_shown_without_a_traceback_when_settings_are_wrong():
    command = [str(config.ROOT / "bin" / "gatehouse")]
    flask_command = [sys.executable, "-m", "flask"]
    wrong = {"GATEHOUSE_ENV": "development", "GATEHOUSE_COLOUR": "red"}
    for arguments in ([*command, "--help"], flask_command):
        environ = {"PATH": os.environ["PATH"], **wrong}

        shown = subprocess.run(
            arguments, env=environ, cwd=config.ROOT, capture_output=True, text=True, check=False
        )

        assert shown.stderr.count("GATEHOUSE_COLOUR is not a setting") == 1, arguments
        assert "Traceback" not in shown.stderr, arguments
        assert "Usage:" in shown.stdout + shown.stderr, arguments
        assert ("\n  serve " in shown.stdout + shown.stderr) == (arguments[0] == command[0])
