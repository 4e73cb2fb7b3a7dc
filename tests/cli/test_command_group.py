"""The command `gatehouse`: from any folder, without foreign commands and tracebacks."""

import os
import subprocess

from click.testing import CliRunner

from app import create_app
from config import ROOT, Settings
from gatehouse.cli.command_group import GatehouseGroup
from tests.conftest import environment

OURS = {"serve", "worker", "doctor", "users", "roles", "keys", "db", "backup", "restore"}
FOREIGN = {"limiter", "openapi", "run", "shell", "routes"}


def test_gatehouse_runs_from_any_folder_and_lists_our_commands_only(tmp_path):
    (tmp_path / "app.py").write_text("raise SystemExit('another application')")
    settings = environment(f"sqlite:///{tmp_path}/gatehouse.sqlite3")

    listed = subprocess.run(
        [ROOT / "bin" / "gatehouse", "--help"],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], **settings},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    lines = listed.stdout.partition("Commands:")[2].splitlines()[1:]
    commands = {line.split()[0] for line in lines}
    assert commands >= OURS, listed.stderr
    assert not commands & FOREIGN


def test_gatehouse_names_wrong_settings_without_a_traceback():
    wrong = {"GATEHOUSE_PUBLIC_URL": "https://id.example.com"}
    group = GatehouseGroup(lambda: create_app(Settings.from_environment(wrong)))
    for arguments in (["--help"], ["users", "list"], ["unknown"]):
        result = CliRunner().invoke(group, arguments)

        assert result.exit_code != 0, arguments
        assert "GATEHOUSE_SECRET_KEYS is missing" in result.output, arguments
        assert "Traceback" not in result.output, arguments
