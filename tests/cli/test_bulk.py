"""`gatehouse users bulk`: one operation on many users."""

import json

import pytest

from gatehouse.core import crypto
from models import User
from tests.rows import audited, rows
from tests.tokens.forgery import case

EMAILS = ("ada@example.com", "bob@example.com", "eve@example.com")
DISABLE = ("disable", "--reason", "stolen laptops")


@pytest.fixture
def people(make_user):
    return [make_user(email=email, roles=["admin"] * (email == EMAILS[2])) for email in EMAILS]


@pytest.fixture
def bulk(app):
    """Run `gatehouse users bulk` and return its result."""
    return lambda *arguments, **more: app.test_cli_runner().invoke(
        args=["users", "bulk", *arguments], **more
    )


def disabled(app):
    return {row.email for row in rows(app, User) if row.disabled_at}


@pytest.mark.stores
def test_bulk_changes_users_of_a_file_and_reports_each_error(app, people, bulk, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("\n".join(EMAILS[1:]) + "\n\n")

    dry = bulk(*DISABLE, EMAILS[0], "--file", str(names), "--dry-run", "--json")
    unchanged = disabled(app)
    result = bulk(*DISABLE, EMAILS[0], EMAILS[0], "--file", str(names), "--yes")

    assert (dry.exit_code, json.loads(dry.stdout)["succeeded"], unchanged) == (1, 2, set())
    last = json.loads(dry.stdout)["items"][2]
    assert (last["outcome"], last["code"]) == ("failure", "last_administrator")
    assert result.exit_code == 1
    assert "This is the last active administrator" in result.stdout
    assert result.stdout.endswith("2 of 3 users are changed.\n")
    assert disabled(app) == set(EMAILS[:2])
    assert {event.actor_kind for event in audited(app, "user.disabled")} == {"operator"}
    assert bulk("enable", *EMAILS[:2], "--yes").exit_code == 0


def test_bulk_asks_first_and_changes_nothing_without_an_answer(app, people, bulk):
    refused = bulk(*DISABLE, EMAILS[0], input="n\n")
    piped = bulk(*DISABLE, "--file", "-", input=f"{EMAILS[0]}\n")

    assert (refused.exit_code, piped.exit_code, disabled(app)) == (1, 1, set())
    assert "disable: 1 users. Continue?" in refused.output


def test_bulk_reports_mistakes_and_changes_nothing(app, people, bulk):
    unknown = str(crypto.new_id())
    wrong = {
        (*DISABLE, EMAILS[0], unknown, "--yes"): (1, f"{unknown} has no account"),
        ("disable", EMAILS[0]): (2, "disable needs --reason"),
        ("assign-role", EMAILS[0]): (2, "assign-role needs --role"),
        ("enable", EMAILS[0], "--role", "support"): (2, "enable does not take --role"),
        (*DISABLE,): (2, "Name the users"),
        ("erase", EMAILS[0]): (2, "'erase' is not one of"),
    }

    for arguments, (code, sentence) in wrong.items():
        with case(arguments=arguments):
            result = bulk(*arguments)
            assert (result.exit_code, sentence in result.output) == (code, True), result.output
    assert disabled(app) == set()
