"""What the operator's commands say, do and record, and how they refuse."""

import re
from itertools import pairwise

import pytest
import time_machine
from sqlalchemy import delete, text, update

from gatehouse.cli.serve import arguments
from gatehouse.database.session import db
from models import AuditEvent, Challenge, GuessCounter, SigningKey, User
from tests.client import PASSWORD
from tests.client import User as Person
from tests.conftest import key, running
from tests.rows import audited, rows
from tests.surface.conftest import contents

GROUPS = ["keys", "users", "passwords", "docs"]


@pytest.fixture
def flask(app):
    """Run a command: flask("keys", "list") -> exit code and output."""

    def flask(*arguments):
        return app.test_cli_runner().invoke(args=arguments)

    return flask


def listed(flask):
    """Return stage and kid of every key, as the list shows them."""
    return re.findall(
        r"^(\w+) +\w+ +(\S+)  made [\d-]+ [\d:]+$", flask("keys", "list").output, re.M
    )


# Keys


def test_the_list_shows_each_key_with_its_stage_and_never_the_key(flask):
    assert [stage for stage, _ in listed(flask)] == ["active", "next"]
    assert "PRIVATE" not in flask("keys", "list").output


def test_rotating_lets_the_next_key_sign_and_makes_a_new_next_one(app, flask):
    (_, first), (_, second) = listed(flask)

    with time_machine.travel("2100-01-01T00:00:00Z", tick=False):  # long known to everyone
        result = flask("keys", "rotate")
        after = listed(flask)

    assert result.exit_code == 0
    assert f"{second} signs from now on" in result.output
    assert after[:2] == [("retiring", first), ("active", second)]
    assert [stage for stage, _ in after] == ["retiring", "active", "next"]
    assert audited(app, "key.activated")[-1].details == {"kid": second}


def test_rotating_in_a_database_that_never_served_makes_the_first_keys_and_ends(app, flask):
    with app.app_context():
        db.session.execute(delete(SigningKey))
        db.session.commit()

    result = flask("keys", "rotate")

    assert result.exit_code == 0
    assert [stage for stage, _ in listed(flask)] == ["retiring", "active", "next"]


def test_withdrawing_a_key_says_so_and_records_it(app, flask):
    kid = listed(flask)[0][1]

    result = flask("keys", "revoke", kid)

    assert (result.exit_code, result.output) == (0, f"{kid} is withdrawn.\n")
    assert listed(flask)[0] == ("gone", kid)
    assert [event.details for event in audited(app, "key.revoked")] == [{"kid": kid}]


def test_withdrawing_what_is_not_there_changes_nothing(app, flask):
    before = contents(app)

    for kid in ("nobody", "", "' OR 1=1 --", "-x"):
        result = flask("keys", "revoke", "--", kid)

        assert result.exit_code == 1, kid
        assert f"there is no key {kid}; `flask keys list` shows them" in result.output, kid
    assert contents(app) == before


def test_turning_the_encryption_ring_is_recorded(app, flask):
    flask("keys", "rotate-encryption")

    [event] = audited(app, "key.reencrypted")
    assert event.details == {"values": 0}
    assert event.request_id == "command-line"


# People


@pytest.mark.stores
def test_an_invitation_is_printed_and_mailed_and_makes_an_account_with_the_role(client, flask):
    result = flask("users", "invite", "root@example.com", "--role", "admin")

    link = client.mailbox(to="root@example.com")[0]["variables"]["link"]
    form = {"token": link.rpartition("#")[2], "password": PASSWORD}
    assert result.exit_code == 0
    assert link in result.output
    assert client.post("/auth/invitation", form).status_code == 204
    assert "admin" in client.log_in(Person("root@example.com"))["user"]["roles"]


def test_an_invitation_that_cannot_be_is_refused_in_a_sentence(app, flask, make_user):
    make_user(email="ada@example.com")
    before = contents(app)
    refused = [
        ("nobody", "user", "@"),
        ("a b@example.com", "user", "."),
        ("bob@example.com", "king", "There is no role 'king'; there are admin, user."),
        ("ada@example.com", "user", "ada@example.com has an account already."),
        ("ADA@Example.com", "user", "has an account already."),
    ]

    for address, role, sentence in refused:
        result = flask("users", "invite", address, "--role", role)

        assert result.exit_code == 1, address
        assert result.output.startswith("Error: "), address
        assert sentence in result.output, address
    assert contents(app) == before


def test_an_invitation_is_recorded_without_its_secret(app, flask):
    result = flask("users", "invite", "root@example.com", "--role", "admin")

    token = re.search(r"#(\S+)", result.output)[1]
    [event] = audited(app, "invitation.sent")
    assert event.details == {"role": "admin"}
    assert token not in str(contents(app))
    assert len(rows(app, Challenge)) == 1


@pytest.mark.stores
def test_unlocking_an_account_lets_strangers_and_known_devices_try_again(
    app, client, flask, make_user
):
    ada = make_user(email="ada@example.com", username="ada")
    device = {"X-Device-Token": client.log_in(ada)["device_token"]}
    wrong = {"identifier": "ada", "password": "not her password"}
    right = {"identifier": "ada", "password": ada.password}
    for _ in range(5):
        client.post("/auth/login", wrong, headers=device)
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.1"}}
    client.post("/auth/login", wrong)
    close_the_sum(app)
    assert client.post("/auth/login", right, headers=device).status_code == 429
    assert client.post("/auth/login", right, **elsewhere).status_code == 429

    result = flask("users", "unlock", "ADA@example.com")

    assert (result.exit_code, result.output) == (0, "ADA@example.com is unlocked.\n")
    assert client.post("/auth/login", right, **elsewhere).status_code == 200
    assert client.post("/auth/login", right, headers=device).status_code == 200
    assert [event.user_id for event in audited(app, "login.reopened")] == [rows(app, User)[0].id]


def close_the_sum(app):
    """Let what was guessed once be guessed for the hundredth time."""
    once = update(GuessCounter).where(GuessCounter.failures == 1)
    with app.app_context():
        db.session.execute(once.values(failures=100, waits_until=text("'9999-01-01 00:00:00'")))
        db.session.commit()


def test_nobody_can_be_unlocked_who_has_no_account(app, flask):
    before = contents(app)

    result = flask("users", "unlock", "nobody@example.com")

    assert (result.exit_code, result.output) == (1, "Error: nobody@example.com has no account.\n")
    assert contents(app) == before


# Passwords


@pytest.mark.stores
def test_the_status_counts_the_hashes_of_each_pepper(settings_environment, store):
    old, new = key(2).replace("test", "old"), key(7).replace("test", "new")
    peppers = {"GATEHOUSE_PASSWORD_PEPPERS": old}
    with running(settings_environment | peppers) as app:
        for number in range(2):
            app.test_cli_runner().invoke(args=["users", "invite", f"p{number}@example.com"])
        accept_all(app)

    with running(settings_environment | {"GATEHOUSE_PASSWORD_PEPPERS": f"{new},{old}"}) as app:
        both = app.test_cli_runner().invoke(args=["passwords", "status"]).output
    with running(settings_environment | {"GATEHOUSE_PASSWORD_PEPPERS": new}) as app:
        too_early = app.test_cli_runner().invoke(args=["passwords", "status"]).output

    assert both.split() == ["new", "0", "old", "2"]
    assert too_early.split() == ["new", "0", "old", "2"]


def accept_all(app):
    client = app.test_client()
    mails = client.get("/dev/mailbox", headers={"Accept": "application/json"}).json["items"]
    for mail in mails:
        token = mail["variables"]["link"].rpartition("#")[2]
        client.post("/auth/invitation", json={"token": token, "password": PASSWORD})


# The commands themselves


def test_every_command_says_in_a_sentence_what_it_is_for(app, flask):
    for group in GROUPS:
        page = flask(group, "--help").output
        for name, command in app.cli.commands[group].commands.items():
            assert name in page, group
            assert re.fullmatch(r"[A-Z].+[.?!]", command.help.splitlines()[0]), name
            assert flask(group, name, "--help").exit_code == 0, name


def test_serve_says_what_it_does(flask):
    assert "serve until SIGTERM" in flask("serve", "--help").output


def test_a_command_that_is_not_understood_says_how_it_is_used(flask):
    for misunderstood in (("keys", "revoke"), ("users", "invite"), ("keys", "spin")):
        result = flask(*misunderstood)

        assert result.exit_code == 2
        assert "Usage:" in result.output


@pytest.mark.stores
def test_a_command_without_its_tables_says_so_and_shows_no_trace(app, flask):
    with app.app_context():
        db.session.execute(text("DROP TABLE signing_keys"))
        db.session.execute(text("DROP TABLE passwords"))
        db.session.commit()

    for command in (("keys", "list"), ("passwords", "status")):
        result = flask(*command)

        assert result.exit_code == 1
        assert "cannot be used" in result.output
        assert "Traceback" not in result.output


def test_commands_leave_no_name_but_the_command_lines(app, flask):
    flask("users", "invite", "root@example.com")
    flask("keys", "revoke", listed(flask)[0][1])

    told = {(event.request_id, event.address, event.user_agent) for event in rows(app, AuditEvent)}
    assert told == {("command-line", "", "")}


@pytest.mark.settings(PORT="8123", GATEHOUSE_WORKERS="3", GATEHOUSE_THREADS="5")
def test_the_server_is_started_with_what_the_settings_say(app):
    given = arguments(app.extensions["gatehouse.settings"])

    pairs = dict(pairwise(given))
    assert pairs["--port"] == "8123"
    assert pairs["--workers"] == "3"
    assert pairs["--interface"] == "rsgi"
    assert pairs["--host"] == "127.0.0.1"
