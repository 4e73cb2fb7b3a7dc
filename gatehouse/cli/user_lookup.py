"""What the commands on users share: find a user, build a change, commit it, print it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import click
from flask.cli import with_appcontext
from marshmallow import ValidationError

from gatehouse.cli.database_group import with_database_clock
from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.users import managed_users
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
from gatehouse.web.fields import Form, format_field_errors
from gatehouse.web.request_context import NO_REQUEST

Command = TypeVar("Command", bound=Callable[..., object])
IDENTIFIER_HELP = "IDENTIFIER is an id, e-mail address, username or phone number."
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
reason_option = click.option("--reason", help="Kept in the audit log.")


def user_command(name: str, **options: Any) -> Callable[[Callable[..., None]], click.Command]:
    """Return a decorator that makes a command of the group `users`, with the application."""
    define: Callable[[Any], click.Command] = click.command(name, **options)
    with_application: Callable[[Any], Any] = with_appcontext
    return lambda function: define(with_application(with_database_clock(function)))


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


def parse_end(
    context: click.Context, option: click.Parameter, value: str | None
) -> datetime | None:
    """Parse a time that must be in the future."""
    end = parse_time(context, option, value)
    if end and end <= clock.now():
        raise click.BadParameter("choose a time in the future")
    return end


def find_user_id(identifier: str) -> UUID:
    """Return the id of the user with an id or identifier.

    Raises:
        ClickException: there is none.
    """
    try:
        user = users.get_user(UUID(identifier))
    except ValueError:
        user = users.find_user(identifier)
    if user is None:
        raise click.ClickException(f"{identifier} has no account.")
    return user.id


def load_form(form: Form, values: dict[str, str | None]) -> Any:
    """Return the dataclass of a form with these values.

    Raises:
        ClickException: a value is not accepted; it says why.
    """
    try:
        return form.load(values)
    except ValidationError as problem:
        errors = format_field_errors(problem.messages)
        sentences = [f"{name}: {one['message']}" for name in errors for one in errors[name]]
        raise click.ClickException(" ".join(sentences)) from None


def build_change(identifier: str, reason: str | None = None) -> UserChange:
    """Return a change of a user by an operator at the command line."""
    return UserChange(find_user_id(identifier), NO_REQUEST, reason=reason)


def commit_and_report(sentence: str, change: UserChange, as_json: bool) -> None:
    """Commit the change; print a sentence, or the user as JSON."""
    db.session.commit()
    user = managed_users.get_managed_user(change.user_id) if as_json else None
    click.echo(to_json(user) if as_json else sentence)


def to_json(value: object) -> str:
    """Return a value as JSON, with times in RFC 3339."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=_to_text)


def to_lines(values: dict[str, object]) -> list[str]:
    """Return a line for each value that there is."""
    shown = {name: value for name, value in values.items() if value not in (None, [])}
    texts = {name: ", ".join(v) if isinstance(v, list) else v for name, v in shown.items()}
    return [f"{name.replace('_', ' ') + ':':<16} {value}" for name, value in texts.items()]


def _to_text(value: Any) -> str:
    return str(value) if isinstance(value, UUID) else clock.format_rfc3339(value)
