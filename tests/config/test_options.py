"""Every setting occurs in some test; settings of the server are passed to granian."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from config import Settings
from gatehouse.cli.server import server_options
from gatehouse.settings.loader import environment_name
from gatehouse.settings.route_limits import LimitSettings
from tests.config.conftest import read_settings

TESTS = Path(__file__).parents[1]
PARSING_TESTS = {
    *("conftest.py", "test_settings.py", "test_unsafe_settings.py"),
    *("test_secrets.py", "test_options.py"),
}
"""Files that only parse settings."""


def test_settings_are_each_used_by_a_test():
    files = [path for path in TESTS.rglob("*.py") if path.name not in PARSING_TESTS]
    words = {word for path in files for word in re.findall(r"\w+", path.read_text())}

    names = {environment_name(field.name) for field in fields(Settings)}
    rate_limits = {environment_name(field.name) for field in fields(LimitSettings)}
    assert names - rate_limits - words == set()  # one rule for all of these, and one parser


@pytest.mark.parametrize(
    ("option", "name", "default", "other"),
    [
        ("address", "GATEHOUSE_HOST", "0.0.0.0", "10.0.0.5"),
        ("port", "PORT", 8000, 8123),
        ("workers", "GATEHOUSE_WORKERS", 2, 7),
    ],
)
def test_settings_of_the_server_are_passed_to_granian(option, name, default, other):
    assert server_options(read_settings())[option] == default
    assert server_options(read_settings(**{name: str(other)}))[option] == other


def test_sqlite_database_is_in_the_data_folder(tmp_path):
    default = read_settings().database_url
    configured = read_settings(GATEHOUSE_DATA_DIR=str(tmp_path)).database_url

    assert default == f"sqlite:///{Path('instance').absolute()}/gatehouse.sqlite3"
    assert configured == f"sqlite:///{tmp_path}/gatehouse.sqlite3"
