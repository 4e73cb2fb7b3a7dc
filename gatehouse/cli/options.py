"""Options that many commands take, and how they are parsed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import click
from flask import current_app

from gatehouse.core import clock

Command = TypeVar("Command", bound=Callable[..., object])
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
reason_option = click.option("--reason", help="Kept in the audit log.")


def confirmed(question: str) -> Callable[[Command], Command]:
    """Ask before the command runs, unless `--yes` is given."""
    return click.confirmation_option("--yes", prompt=question, help="Do not ask.")


def parse_time(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> datetime | None:
    """Parse a time of ISO 8601, in UTC unless it has an offset."""
    try:
        time = datetime.fromisoformat(value) if value else None
    except ValueError:
        raise click.BadParameter("write a time such as 2026-12-24T18:30") from None
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time


def parse_attributes(values: tuple[str, ...]) -> dict[str, object]:
    """Parse attributes of the form NAME=VALUE, with the application; no VALUE means None."""
    attributes: dict[str, object] = {}
    for one in values:
        name, separator, text = one.partition("=")
        if not separator:
            raise click.UsageError("Write an attribute as NAME=VALUE.")
        attributes[name] = _parse_value(text)
    return attributes


def _parse_value(text: str) -> object:
    """Return JSON as what it means, and anything else as the text that it is."""
    try:
        return current_app.json.loads(text) if text else None
    except ValueError:
        return text


def parse_end(
    context: click.Context, option: click.Parameter, value: str | None
) -> datetime | None:
    """Parse a time that must be in the future."""
    end = parse_time(context, option, value)
    if end and end <= clock.now():
        raise click.BadParameter("choose a time in the future")
    return end
