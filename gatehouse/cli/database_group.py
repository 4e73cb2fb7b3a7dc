"""Command group that reports an unusable database in one sentence, without a traceback."""

from collections.abc import Callable
from functools import wraps

import click
from click import Command
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.core.errors import ApiError, ValidationFailed
from gatehouse.database.clock import follow_once
from gatehouse.database.error_description import describe_error


class DatabaseGroup(AppGroup):
    """Commands that need the database."""

    def command(  # type: ignore[override] # always used with the command's name
        self, *arguments: object, **named: object
    ) -> Callable[[Callable[..., object]], Command]:
        """Add a command, which runs by the database's clock."""
        add = super().command(*arguments, **named)
        return lambda function: add(with_database_clock(function))

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; report why it was rejected, or a database error, in one sentence."""
        try:
            return super().invoke(ctx)
        except ValidationFailed as problem:
            raise click.ClickException(_describe(problem)) from None
        except ApiError as problem:
            raise click.ClickException(str(problem)) from None
        except SQLAlchemyError as problem:
            app = ctx.ensure_object(ScriptInfo).load_app()
            raise database_error(app.config["SQLALCHEMY_DATABASE_URI"], problem) from None


def _describe(problem: ValidationFailed) -> str:
    """Return what is wrong; a value within another one is named with its path."""
    return " ".join(
        f"{path}: {one['message']}" if "." in path else one["message"]
        for path, errors in problem.errors.items()
        for one in errors
    )


def with_database_clock(function: Callable[..., object]) -> Callable[..., object]:
    """Set the clock before a command runs: this machine's own may be wrong."""

    @wraps(function)
    def run(*arguments: object, **named: object) -> object:
        follow_once()
        return function(*arguments, **named)

    return run


def database_error(url: str, problem: SQLAlchemyError) -> click.ClickException:
    """Return the error that describes an unusable database; it never shows the password."""
    return click.ClickException(describe_error(url, config.database_setting(), problem))
