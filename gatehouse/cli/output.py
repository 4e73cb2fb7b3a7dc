"""How commands print values, as JSON or as lines, and that something is deleted."""

import json
from datetime import datetime

import click

from gatehouse.core import clock
from gatehouse.database.session import db


def to_json(value: object) -> str:
    """Return a value as JSON, with times in RFC 3339."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=to_text)


def to_lines(values: dict[str, object]) -> list[str]:
    """Return a line for each value that there is."""
    shown = {name: value for name, value in values.items() if value not in (None, [], {})}
    texts = {name: _to_line(value) for name, value in shown.items()}
    return [f"{name.replace('_', ' ') + ':':<16} {value}" for name, value in texts.items()]


def commit_deletion(sentence: str, as_json: bool) -> None:
    """Commit a deletion; print a sentence, or nothing: JSON has no members of what is gone."""
    db.session.commit()
    if not as_json:
        click.echo(sentence)


def _to_line(value: object) -> object:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return ", ".join(value) if isinstance(value, list) else value


def to_text(value: object) -> str:
    """Return a value as text, a time in RFC 3339."""
    return clock.format_rfc3339(value) if isinstance(value, datetime) else str(value)
