"""What the commands on users share: find a user, build a change, commit it, print it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import click
from flask.cli import with_appcontext
from marshmallow import ValidationError

from gatehouse.cli.database_group import with_database_clock
from gatehouse.cli.output import to_json
from gatehouse.database.session import db
from gatehouse.users import managed_users
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
from gatehouse.web.fields import Form, format_field_errors
from gatehouse.web.request_context import NO_REQUEST

IDENTIFIER_HELP = "IDENTIFIER is an id, e-mail address, username or phone number."


def user_command(name: str, **options: Any) -> Callable[[Callable[..., None]], click.Command]:
    """Return a decorator that makes a command of the group `users`, with the application."""
    define: Callable[[Any], click.Command] = click.command(name, **options)
    with_application: Callable[[Any], Any] = with_appcontext
    return lambda function: define(with_application(with_database_clock(function)))


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


def load_form(form: Form, values: dict[str, Any]) -> Any:
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
