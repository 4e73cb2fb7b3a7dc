"""The command `gatehouse`: our commands, from any folder, without those that libraries add."""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

import click
from flask import Flask
from flask.cli import FlaskGroup, NoAppException, ScriptInfo
from flask_migrate.cli import db as migrations

import config

Parameters = ParamSpec("Parameters")


def report_wrong_settings(create_app: Callable[Parameters, Flask]) -> Callable[Parameters, Flask]:
    """Let `flask --help` print what is wrong with the settings; it shows a traceback otherwise.

    Raises:
        NoAppException: the help was asked for; otherwise the `ConfigurationError` stays.
    """

    @wraps(create_app)
    def create(*arguments: Parameters.args, **named: Parameters.kwargs) -> Flask:
        try:
            return create_app(*arguments, **named)
        except config.ConfigurationError as problem:
            ctx = click.get_current_context(silent=True)
            is_flask = ctx is not None and not isinstance(ctx.command, GatehouseGroup)
            if is_flask and sys.argv[1:] in ([], ["--help"]):
                raise NoAppException(problem.message) from None
            raise

    return create


class GatehouseGroup(FlaskGroup):
    """The commands of the application; they need its settings."""

    def __init__(
        self, create_app: Callable[[], Flask], commands: Sequence[click.Command] = ()
    ) -> None:
        super().__init__(
            create_app=create_app,
            add_default_commands=False,
            add_version_option=False,
            load_dotenv=False,
            help="Operate Gatehouse. All commands read the settings of the service.",
        )
        self.add_command(migrations, "db")
        self._problem: config.ConfigurationError | None = None
        self._without_application = {command.name or "": command for command in commands}

    def _load_plugin_commands(self) -> None:
        """Load no commands of libraries: they are not for operators."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List our commands, also if the settings are wrong."""
        try:
            ctx.ensure_object(ScriptInfo).load_app()
        except config.ConfigurationError as problem:
            self._problem = problem
            self.commands.update(self._without_application)
            return sorted(self.commands)
        return super().list_commands(ctx)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help; if the settings are wrong, print it and fail with their sentences.

        Raises:
            ConfigurationError: the settings are wrong.
        """
        text = super().get_help(ctx)
        if self._problem:
            click.echo(text)
            raise self._problem
        return text
