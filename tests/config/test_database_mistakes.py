"""Mistakes with the database: each is one sentence with the driver's reason, and never a trace."""

import os
import sqlite3

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from gatehouse.database.error_description import describe_error
from tests.child_processes import run_flask
from tests.config.conftest import PRODUCTION, read_problems
from tests.servers import free_port

URL = "postgresql+psycopg://ada:sesame@db.example.com/gatehouse"


def flask(*arguments, **environment):
    """Run a command with these environment variables only; return its error."""
    settings = {"PATH": os.environ["PATH"], **PRODUCTION, "PORT": str(free_port()), **environment}
    result = run_flask(*arguments, environment=settings)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr + result.stdout
    assert "sesame" not in result.stderr + result.stdout
    return result.stderr.splitlines()[-1].removeprefix("Error: ")


@pytest.mark.parametrize("command", [("serve",), ("db", "current"), ("keys", "list")])
def test_database_server_that_does_not_answer_is_named_with_the_drivers_reason(command):
    sentence = flask(*command, DATABASE_URL="postgresql://ada:sesame@127.0.0.1:9/gatehouse")

    assert sentence.startswith(
        "The database at postgresql+psycopg://ada:***@127.0.0.1:9/gatehouse does not answer: start"
        " it, or correct the host and the port in DATABASE_URL. ("
    )
    assert sentence.endswith("Connection refused)")


def test_database_folder_that_does_not_exist_is_named_with_the_setting_that_was_given(tmp_path):
    url = tmp_path / "url"
    url.write_text("sqlite:////nowhere/gatehouse.db")
    expected = "The database at sqlite:////nowhere/gatehouse.db has no folder: create /nowhere, or"
    reason = "(unable to open database file)"

    in_file = flask("passwords", "status", DATABASE_URL_FILE=str(url))
    in_folder = flask("db", "upgrade", GATEHOUSE_DATA_DIR="/nowhere")

    assert in_file == f"{expected} change DATABASE_URL_FILE. {reason}"
    assert in_folder.endswith(f"create /nowhere, or change GATEHOUSE_DATA_DIR. {reason}")


def test_database_or_role_that_does_not_exist_is_named(store, postgres_store):
    with postgres_store.fresh() as url:
        existing = sa.make_url(url)
        unknown = existing.set(database="nowhere").render_as_string(hide_password=False)
        ghost = existing.set(username="ghost").render_as_string(hide_password=False)
        sentences = [flask("db", "current", DATABASE_URL=url) for url in (unknown, ghost)]

    assert "/nowhere does not exist: create it (CREATE DATABASE ..." in sentences[0]
    assert "correct its name in DATABASE_URL." in sentences[0]
    assert (
        "rejects the login: correct the user name and the password in DATABASE_URL."
        in (sentences[1])
    )


@pytest.mark.stores
def test_database_of_a_newer_version_is_left_alone_by_serve_and_migrations(store):
    engine = sa.create_engine(store, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    try:
        sentences = {
            flask(*command, DATABASE_URL=store) for command in (("serve",), ("db", "upgrade"))
        }
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE alembic_version"))  # the store is not reused

    (sentence,) = sentences
    assert "has the tables of another version: its revision is 9999, and this version knows" in (
        sentence
    )
    assert "Start that version, or restore the backup from before its migration." in sentence


def test_database_file_of_another_kind_is_named(tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"\xff\xd8" * 5000)

    sentence = flask("keys", "list", DATABASE_URL=f"sqlite:///{file}")

    assert "is a file of another kind: correct the path in DATABASE_URL." in sentence


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_database_in_memory_is_rejected(url):
    assert read_problems(DATABASE_URL=url) == [
        "DATABASE_URL must name a file: each process would have a database of its own in memory."
    ]


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ('password authentication failed for user "ada"', "rejects the login"),
        ('no pg_hba.conf entry for host "10.0.0.7"', "rejects the login"),
        ("failed to resolve host 'db.example.com': [Errno -2]", "cannot be resolved"),
        ("FATAL: sorry, too many clients already", "raise its max_connections"),
        ("FATAL: unsupported startup parameter: options", "behind a connection pooler"),
        ("permission denied for schema public", "let that user own the database"),
        ("cannot execute INSERT in a read-only transaction", "name the primary server"),
        ('could not extend file "base/5": No space left on device', "no space left on its disk"),
        ("connection timeout expired", "does not answer"),
        ("Verbindungsaufbau abgelehnt", "check DATABASE_URL, and that the database runs"),
    ],
)
def test_database_errors_say_what_to_do_and_end_with_the_drivers_reason(reason, sentence):
    description = describe_error(URL, "DATABASE_URL", OperationalError("", {}, Exception(reason)))

    assert sentence in description
    assert description.endswith(f"({reason})")
    assert "sesame" not in description


def test_database_file_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root
    problem = OperationalError("", {}, sqlite3.OperationalError("readonly"))

    sentence = describe_error(f"sqlite:///{tmp_path}/x.db", "DATABASE_URL", problem)

    assert "cannot be written: let this user write its folder and file, or change" in sentence


def test_data_folder_that_cannot_be_written_is_named(tmp_path):
    file = tmp_path / "file"
    file.touch()
    settings = {"GATEHOUSE_ENV": "development", "GATEHOUSE_DATA_DIR": f"{file}/instance"}

    result = run_flask("serve", environment={"PATH": os.environ["PATH"], **settings})

    assert result.returncode == 1
    assert "GATEHOUSE_DATA_DIR must be a folder that this user can write, but" in result.stderr
    assert "Traceback" not in result.stderr


def test_settings_that_are_computed_are_reported_under_the_one_that_was_given(tmp_path):
    idn = "must have its host in ASCII, as browsers send it: xn--bcher-kva.example"
    long = "a" * 60 + ".example"
    token = tmp_path / "token"
    token.write_text("four")

    assert read_problems(GATEHOUSE_PUBLIC_URL="https://bücher.example") == [
        f"GATEHOUSE_PUBLIC_URL {idn}."
    ]
    assert read_problems(GATEHOUSE_ALLOWED_ORIGINS="https://bücher.example") == [
        f"GATEHOUSE_ALLOWED_ORIGINS {idn}."
    ]
    assert read_problems(GATEHOUSE_PUBLIC_URL=f"https://{long}") == [
        "GATEHOUSE_SERVICE_NAME must be printable, without a colon, and 64 characters at most."
        " Its default comes from GATEHOUSE_PUBLIC_URL: set GATEHOUSE_SERVICE_NAME."
    ]
    assert read_problems(GATEHOUSE_ENV="development", PORT="x", GATEHOUSE_PUBLIC_URL=None) == [
        "PORT must be a whole number from 1 to 65535."
    ]
    assert read_problems(GATEHOUSE_TRUSTED_HOPS_FILE=str(token)) == [
        "GATEHOUSE_TRUSTED_HOPS_FILE must be a whole number from 0 to 8."
    ]
