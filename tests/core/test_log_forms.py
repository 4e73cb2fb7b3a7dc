"""The forms of the log: JSON, or readable lines in a developer's terminal."""

import sys

import pytest
import structlog

from app import create_app
from gatehouse.core import log
from tests.config.conftest import read_settings
from tests.log_lines import read_log_lines


@pytest.fixture(autouse=True)
def restore_format():
    yield
    log.configure_logging()


def test_console_form_shows_time_level_message_and_values(capsys):
    log.configure_logging(log.CONSOLE)

    log.logger().warning("Redis is unavailable.", reason="refused", seconds=3, password="x")

    line = capsys.readouterr().err
    assert line[2] == line[5] == ":"
    assert line[8:].startswith(" WARNING Redis is unavailable.  ")
    assert '  reason="refused"  seconds=3' in line
    assert 'password="[redacted]"' in line


@pytest.mark.requirement("LG-05")
def test_console_form_keeps_a_value_in_its_line(capsys):
    log.configure_logging(log.CONSOLE)

    log.logger().info("request\n12:00:00 ERROR forged", origin="x\n12:00:00 ERROR \x1b[2Jforged")

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "\x1b" not in lines[0]


def test_console_form_shows_tracebacks_below_the_line(capsys):
    log.configure_logging(log.CONSOLE)
    try:
        raise ValueError("wrong")
    except ValueError as error:
        log.logger().error("unexpected error", exc_info=error)

    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("unexpected error")
    assert rest[-1] == "    ValueError: wrong"
    assert all(line.startswith("    ") for line in rest)


def test_form_is_for_people_in_a_terminal_in_development_only(monkeypatch):
    forms = {}
    for is_terminal in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda it=is_terminal: it, raising=False)
        forms[is_terminal] = [log.choose_format(development) for development in (True, False)]

    assert forms == {True: ["console", "json"], False: ["json", "json"]}


@pytest.mark.parametrize("form", ["json", "console"])
def test_form_is_that_of_the_setting(form, monkeypatch):
    chosen = []
    monkeypatch.setattr(log, "configure_logging", chosen.append)

    create_app(read_settings(GATEHOUSE_LOG_FORMAT=form))

    assert chosen == [form]


def test_json_is_the_form_otherwise(capsys):
    log.configure_logging(log.JSON)

    log.logger().info("request", status=200)

    [line] = read_log_lines(capsys)
    assert (line["event"], line["status"]) == ("request", 200)
    assert structlog.is_configured()
