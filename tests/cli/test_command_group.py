"""The command `gatehouse`: from any folder, without foreign commands and tracebacks."""

import os
import subprocess

from config import ROOT
from tests.conftest import environment

OURS = {"serve", "worker", "doctor", "users", "roles", "keys", "db", "backup", "restore"}
FOREIGN = {"limiter", "openapi", "run", "shell", "routes"}


def run(*arguments, cwd, **settings):
    return subprocess.run(
        [ROOT / "bin" / "gatehouse", *arguments],
        cwd=cwd, env={"PATH": os.environ["PATH"], **settings},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_gatehouse_runs_from_any_folder_and_lists_our_commands_only(tmp_path):
    (tmp_path / "app.py").write_text("raise SystemExit('another application')")
    settings = environment(f"sqlite:///{tmp_path}/gatehouse.sqlite3")

    listed = run("--help", cwd=tmp_path, **settings)
    migrated = run("db", "upgrade", cwd=tmp_path, **settings)
    checked = run("doctor", cwd=tmp_path, **settings)

    commands = {
        line.split()[0] for line in listed.stdout.partition("Commands:")[2].splitlines()[1:]
    }
    assert commands >= OURS
    assert not commands & FOREIGN
    assert migrated.returncode == 0, migrated.stderr
    assert "ok       migrations" in checked.stdout


def test_gatehouse_names_wrong_settings_without_a_traceback(tmp_path):
    for arguments in (["--help"], ["users", "list"], ["unknown"], []):
        result = run(*arguments, cwd=tmp_path, GATEHOUSE_PUBLIC_URL="https://id.example.com")

        assert result.returncode != 0, arguments
        assert "GATEHOUSE_SECRET_KEYS is missing" in result.stderr, arguments
        assert "Traceback" not in result.stderr, arguments
