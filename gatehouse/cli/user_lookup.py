"""What the commands on users share: find a user, build a change, commit it, print it."""

import json
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import click
from flask.cli import with_appcontext

from gatehouse.cli.database_group import with_database_clock
from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.users import managed_users
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
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


def _to_text(value: Any) -> str:
    return str(value) if isinstance(value, UUID) else clock.format_rfc3339(value)
