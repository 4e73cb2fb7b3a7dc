"""Some test tries every option; here, what the server is started with."""

import re
from dataclasses import fields
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from config import Settings
from gatehouse.cli.serve import arguments
from gatehouse.settings.loader import name_of
from tests.config.conftest import read

TESTS = Path(__file__).parents[1]
READING_ONLY = {"conftest.py", "test_settings.py", "test_secrets.py", "test_options.py"}
"""They read options and try none."""


@cache
def words():
    """Return the words of every file whose tests may choose an option."""
    others = [path for path in TESTS.rglob("*.py") if path.name not in READING_ONLY]
    return {path: {*re.findall(r"\w+", path.read_text())} for path in others}


def tried_by(name):
    """Return the files whose tests choose an option."""
    return [path for path, said in words().items() if name in said]


def served(**chosen):
    """Return the options with which the server is started."""
    return dict(pairwise(arguments(read(**chosen))))


@pytest.mark.parametrize("option", fields(Settings), ids=lambda option: option.name)
def test_some_test_tries_every_option(option):
    assert tried_by(name_of(option.name))


@pytest.mark.parametrize(
    ("option", "name", "default", "other"),
    [
        ("--host", "GATEHOUSE_HOST", "0.0.0.0", "10.0.0.5"),
        ("--port", "PORT", "8000", "8123"),
        ("--workers", "GATEHOUSE_WORKERS", "2", "7"),
    ],
)
def test_the_server_is_started_with_what_was_chosen(option, name, default, other):
    assert served()[option] == default
    assert served(**{name: other})[option] == other


def test_sqlite_lies_in_the_instance_folder(tmp_path):
    default = read().database_url
    chosen = read(GATEHOUSE_INSTANCE=str(tmp_path)).database_url

    assert default == f"sqlite:///{Path('instance').absolute()}/gatehouse.sqlite3"
    assert chosen == f"sqlite:///{tmp_path}/gatehouse.sqlite3"
