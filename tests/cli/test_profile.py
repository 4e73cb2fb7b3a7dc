"""`gatehouse profile`, and attributes of `gatehouse users`: the same services as the API."""

import json

import pytest

from models import ProfileSchema
from models import User as Account
from tests.rows import audited, rows
from tests.users.conftest import PROPERTIES, schema_of

ADA = "ada@example.com"


@pytest.fixture
def run(app):
    return lambda *arguments: app.test_cli_runner().invoke(args=list(arguments))


@pytest.fixture
def write(tmp_path):
    """Write a file, and return its path."""

    def write(content):
        path = tmp_path / "profile.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def test_profile_is_checked_applied_and_shown(app, run, write):
    schema = schema_of(**PROPERTIES)
    file = write(schema)

    checked = run("profile", "check", file)
    applied = run("profile", "apply", file)
    shown = run("profile", "show")

    assert checked.output == "0 of 0 users with attributes are accepted.\n"
    assert applied.output == "Version 1 of the profile schema is in force.\n"
    assert json.loads(shown.output) == schema
    assert json.loads(run("profile", "show", "--json").output)["version"] == 1
    [event] = audited(app, "profile_schema.changed")
    again = run("profile", "apply", file, "--json")
    assert again.output == run("profile", "show", "--json").output
    assert event.actor_kind == "operator"


def test_profile_check_lists_users_who_fail_and_why_without_values(app, run, write, make_user):
    make_user(email=ADA)
    make_user(email="bob@example.com")
    run("profile", "apply", write(schema_of(**PROPERTIES)))
    run("users", "update", ADA, "--attribute", "notes=a secret", "--attribute", "levels=[1, 2]")
    run("users", "update", "bob@example.com", "--attribute", "department=sales")
    [ada] = rows(app, Account, email_canonical=ADA)
    stricter = write(
        schema_of(**PROPERTIES | {"notes": {"maxLength": 3}, "levels": {"maxItems": 1}})
    )

    checked, applied = run("profile", "check", stricter), run("profile", "apply", stricter)
    as_json = json.loads(run("profile", "check", stricter, "--json").output)

    lines = checked.output.splitlines()
    assert (checked.exit_code, applied.exit_code) == (1, 1)
    assert f"{ada.id}  attributes.notes: Use at most 3 characters." in lines
    assert f"{ada.id}  attributes.levels: List at most 1." in lines
    assert lines[-1] == "1 of 2 users with attributes are accepted."
    assert f"{ada.id}.attributes.notes: Use at most 3 characters." in applied.output
    assert "secret" not in checked.output + applied.output
    assert (as_json["checked"], as_json["failing_count"]) == (2, 1)
    assert as_json["failing"][0]["user_id"] == str(ada.id)
    assert rows(app, ProfileSchema)[0].version == 1


def test_profile_commands_report_mistakes_in_a_sentence(run, write):
    for content, sentence in (
        ("{", "is not valid JSON"),
        ("[]", "is not a JSON object"),
        ('{"type": "object", "type": "array"}', "duplicate key"),
        (schema_of(x={"maxLenght": 3}), "schema.properties.x.maxLenght: This keyword"),
    ):
        file = write(content)
        for command in ("check", "apply"):
            result = run("profile", command, file)
            assert (result.exit_code, "Traceback" in result.output) == (1, False)
            assert sentence in result.output


def test_users_are_created_and_updated_with_attributes(app, run, write):
    run("profile", "apply", write(schema_of(**PROPERTIES)))

    created = run("users", "create", ADA, "--attribute", "department=sales", "--json")
    run("users", "update", ADA, "--attribute", "notes=x=y", "--attribute", "nickname=Ada")
    removed = run("users", "update", ADA, "--attribute", "nickname=", "--json")
    refused = run("users", "update", ADA, "--attribute", "address={}")
    malformed = run("users", "update", ADA, "--attribute", "notes")
    shown = run("users", "show", ADA)

    assert json.loads(created.output)["attributes"] == {"department": "sales"}
    assert json.loads(removed.output)["attributes"] == {"department": "sales", "notes": "x=y"}
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: attributes.address: There is no such field.\n",
    )
    assert malformed.exit_code == 2
    assert '{"department": "sales", "notes": "x=y"}' in shown.output
