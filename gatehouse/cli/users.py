"""`flask users`: letting people in."""

import click

from gatehouse.accounts import identifiers, invitation
from gatehouse.cli.group import Group
from gatehouse.foundation.database import db
from gatehouse.foundation.visitor import NOBODY

users = Group("users", help="Accounts of people.")


@users.command("invite")
@click.argument("address")
@click.option("--role", default="user", show_default=True, help="The role that comes with it.")
def invite(address: str, role: str) -> None:
    """Mail an invitation to ADDRESS, and print its link."""
    try:
        link = invitation.send(identifiers.email(address), role, NOBODY)
    except (LookupError, ValueError) as problem:
        raise click.ClickException(str(problem)) from None
    db.session.commit()
    click.echo(f"{address} is invited. The link works once, for three days:\n\n  {link}\n")
