"""`flask passwords`: what is known about stored hashes."""

import click

from gatehouse.cli.group import Group
from gatehouse.passwords import service

passwords = Group("passwords", help="Stored password hashes.")


@passwords.command("status")
def status() -> None:
    """Count the hashes of each pepper; one that has none can leave GATEHOUSE_PASSWORD_PEPPERS."""
    for pepper, count in sorted(service.per_pepper().items()):
        click.echo(f"{pepper:<16} {count}")
