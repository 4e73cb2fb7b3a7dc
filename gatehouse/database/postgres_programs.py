"""pg_dump, pg_restore and psql: run the programs of PostgreSQL on our database."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
from sqlalchemy import make_url

import config

DROP_TABLES = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
    EXECUTE format('DROP TABLE %I CASCADE', name);
  END LOOP;
END $$;
"""
"""Tables that the backup lacks must go, too: an older version's migrations would find them."""


class BackupFailed(Exception):
    """A backup or its restoration failed; the message says why and what to do."""


def dump(url: str, file: Path) -> None:
    """Write the database in the custom format of pg_dump, without owners and privileges."""
    _require_version(url, "pg_dump")
    options = ("--format=custom", "--no-owner", "--no-privileges", f"--file={file}")
    _run(url, "pg_dump", *options, "--dbname", _libpq_url(url))


def restore(url: str, file: Path) -> None:
    """Drop all tables and restore a dump, in one transaction."""
    _require_version(url, "pg_restore")
    with tempfile.TemporaryDirectory(prefix="gatehouse-restore-") as folder:  # mode 0700
        drop, script = Path(folder, "drop.sql"), Path(folder, "restore.sql")
        drop.write_text(DROP_TABLES)
        _run(url, "pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(file))
        stop = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
        scripts = (f"--file={drop}", f"--file={script}")
        _run(url, "psql", *stop, *scripts, "--dbname", _libpq_url(url))


def _require_version(url: str, program: str) -> None:
    """Stop if the program is older than the server: it would refuse, or lose what is new."""
    try:
        with psycopg.connect(_libpq_url(url), password=make_url(url).password or "") as connection:
            server = connection.info.server_version // 10_000
    except psycopg.Error as problem:
        raise BackupFailed(f"The database cannot be reached: {problem}") from None
    found = int((re.search(r"\d+", _run(url, program, "--version")) or [0])[0])
    if found < server:
        raise BackupFailed(
            f"{program} is of version {found}, but the server is of version {server}: install"
            f" postgresql-client-{server}, and let the PATH find it first"
        )


def _run(url: str, program: str, *arguments: str) -> str:
    """Run a program; it gets the password in its environment, which other users cannot see."""
    path = shutil.which(program)
    if path is None:
        raise BackupFailed(f"{program} is not on the PATH: install PostgreSQL's client programs")
    completed = subprocess.run(  # noqa: S603 - no shell; the URL is the operator's own
        [path, *arguments],
        env=config.environment_with(PGPASSWORD=make_url(url).password or ""),
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise BackupFailed(f"{program} failed: {completed.stderr.strip()}")
    return completed.stdout


def _libpq_url(url: str) -> str:
    """Return the URL as libpq reads it, without its password."""
    bare = make_url(url).set(drivername="postgresql", password=None)
    return bare.render_as_string(hide_password=False)
