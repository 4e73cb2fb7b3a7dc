"""What commands share: a database that cannot be used is told in a sentence, without a trace."""

from typing import Any

import click
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError


class Group(AppGroup):
    """Commands that need the database."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, or say why the database kept it from running."""
        try:
            return super().invoke(ctx)
        except (OperationalError, ProgrammingError) as problem:
            app = ctx.ensure_object(ScriptInfo).load_app()
            raise unusable(app.config["SQLALCHEMY_DATABASE_URI"], problem) from None


def unusable(url: str, problem: SQLAlchemyError) -> click.ClickException:
    """Return the sentence about the database behind a URL; it never shows the password."""
    return click.ClickException(
        f"The database at {place(url)} cannot be used ({type(problem).__name__}):"
        " check DATABASE_URL, that it runs, and that `flask db upgrade` has been there."
    )


def place(url: str) -> str:
    """Return what may be shown of a URL: its password and its options are left out."""
    return make_url(url).set(query={}).render_as_string(hide_password=True)
