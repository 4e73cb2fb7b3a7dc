"""Command group that reports an unusable database in one sentence, without a traceback."""

from typing import Any

import click
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from gatehouse.core.errors import ApiError


class DatabaseGroup(AppGroup):
    """Commands that need the database."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; report what was refused, or a database error, in one sentence."""
        try:
            return super().invoke(ctx)
        except ApiError as problem:
            raise click.ClickException(str(problem)) from None
        except (OperationalError, ProgrammingError) as problem:
            app = ctx.ensure_object(ScriptInfo).load_app()
            raise database_error(app.config["SQLALCHEMY_DATABASE_URI"], problem) from None


def database_error(url: str, problem: SQLAlchemyError) -> click.ClickException:
    """Return the error that describes an unusable database; it never shows the password."""
    return click.ClickException(
        f"The database at {safe_url(url)} cannot be used ({type(problem).__name__}):"
        " check DATABASE_URL, that the database runs, and that `flask db upgrade` was run."
    )


def safe_url(url: str) -> str:
    """Return a database URL without its password and its options."""
    return make_url(url).set(query={}).render_as_string(hide_password=True)
