"""`flask users`: letting people in, and in again."""

import click

from gatehouse.accounts import identifiers, invitation
from gatehouse.accounts import service as accounts
from gatehouse.cli.group import Group
from gatehouse.defence import throttle
from gatehouse.foundation.database import db, writing
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


@users.command("unlock")
@click.argument("address")
def unlock(address: str) -> None:
    """Clear the counters of wrong passwords of the account with ADDRESS.

    Devices that are not known may try passwords again, and known devices need not wait. A network
    from which somebody guessed goes on waiting: an hour at most.
    """
    with writing():
        user = accounts.find(address)
        if user is None:
            raise click.ClickException(f"{address} has no account.")
        throttle.reopen(user.id, NOBODY)
    db.session.commit()
    click.echo(f"{address} is unlocked.")
