"""`flask passwords`: what is known about stored hashes."""

import click
from flask.cli import AppGroup

from gatehouse.passwords import service

passwords = AppGroup("passwords", help="Stored password hashes.")


@passwords.command("status")
def status() -> None:
    """Count the hashes of each pepper; one that has none can leave GATEHOUSE_PASSWORD_PEPPERS."""
    for pepper, count in sorted(service.per_pepper().items()):
        click.echo(f"{pepper:<16} {count}")
