"""`gatehouse profile`: declare the attributes that users can have, and check users against them."""

from typing import Any, TextIO, cast

import click
from flask import current_app

from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json
from gatehouse.cli.output import to_json
from gatehouse.core.errors import ValidationFailed
from gatehouse.database.session import db
from gatehouse.users import profile_schema, profile_schema_store
from gatehouse.users.attribute_errors import FieldErrors
from gatehouse.users.errors import AttributesDoNotFit
from gatehouse.users.profile_schema_store import CheckResult
from gatehouse.web.request_context import NO_REQUEST

profile = DatabaseGroup("profile", help="The attributes that users can have.")
schema_file = click.argument("file", type=click.File())


@profile.command("show")
@as_json
def show_schema(as_json: bool) -> None:
    """Print the schema in force, as `apply` reads it; with --json also its version."""
    stored = profile_schema_store.read_stored()
    click.echo(to_json(stored if as_json else stored["schema"]))


@profile.command("check")
@schema_file
@as_json
def check_schema(file: TextIO, as_json: bool) -> None:
    """Check a schema, and the attributes of all users against it; change nothing.

    Users whose attributes it does not accept are listed by id, without any value; then the exit
    code is 1.
    """
    try:
        wanted = profile_schema.parse(_read(file))
    except ValidationFailed as problem:
        raise click.ClickException("\n".join(_to_lines(problem.errors))) from None
    result = profile_schema_store.check_users(wanted)
    click.echo(to_json(_describe(result)) if as_json else "\n".join(_report(result)))
    if result.failing:
        raise click.exceptions.Exit(1)


@profile.command("apply")
@schema_file
@as_json
def apply_schema(file: TextIO, as_json: bool) -> None:
    """Replace the schema, if it accepts the attributes of all users."""
    definition = _read(file)
    try:
        profile_schema_store.replace_schema(definition, NO_REQUEST)
    except (ValidationFailed, AttributesDoNotFit) as problem:
        lines = [str(problem), *_to_lines(problem.errors)]
        raise click.ClickException("\n".join(lines)) from None
    db.session.commit()
    stored = profile_schema_store.read_stored()
    sentence = f"Version {stored['version']} of the profile schema is in force."
    click.echo(to_json(stored) if as_json else sentence)


def _read(file: TextIO) -> dict[str, object]:
    try:
        definition = current_app.json.loads(file.read())
    except ValueError as problem:
        raise click.ClickException(f"{file.name} is not valid JSON: {problem}") from None
    if not isinstance(definition, dict):
        raise click.ClickException(f"{file.name} is not a JSON object.")
    return cast(dict[str, object], definition)


def _report(result: CheckResult) -> list[str]:
    lines = [line for one in result.failing for line in _to_lines(one.errors, f"{one.user_id}  ")]
    accepted = result.checked - result.failing_count
    return [*lines, f"{accepted} of {result.checked} users with attributes are accepted."]


def _describe(result: CheckResult) -> dict[str, object]:
    failing = [{"user_id": one.user_id, "errors": one.errors} for one in result.failing]
    counts = {"checked": result.checked, "failing_count": result.failing_count}
    return {**counts, "failing": failing}


def _to_lines(errors: FieldErrors | Any, prefix: str = "") -> list[str]:
    return [f"{prefix}{path}: {one['message']}" for path, found in errors.items() for one in found]
