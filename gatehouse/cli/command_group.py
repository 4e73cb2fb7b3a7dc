"""The command `gatehouse`: our commands, from any folder, without those that libraries add."""

from collections.abc import Callable

import click
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask_migrate.cli import db as migrations


class GatehouseGroup(FlaskGroup):
    """The commands of the application; they need its settings."""

    def __init__(self, create_app: Callable[[], Flask]) -> None:
        super().__init__(
            create_app=create_app,
            add_default_commands=False,
            add_version_option=False,
            load_dotenv=False,
            help="Operate Gatehouse. All commands read the settings of the service.",
        )
        self.add_command(migrations, "db")

    def _load_plugin_commands(self) -> None:
        """Load no commands of libraries: they are not for operators."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List our commands; wrong settings end the command with their sentences."""
        ctx.ensure_object(ScriptInfo).load_app()
        return super().list_commands(ctx)
