"""`flask users`: letting people in, and in again."""

import click

from gatehouse.account import invitation
from gatehouse.cli.database_group import Group
from gatehouse.database.session import db, writing
from gatehouse.lockout import service as lockout
from gatehouse.mfa import grace_period, reset
from gatehouse.users import identifiers
from gatehouse.users import service as accounts
from gatehouse.web.request_context import NOBODY

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


@users.command("reset-mfa")
@click.argument("address")
def reset_mfa(address: str) -> None:
    """Take all second factors of the account with ADDRESS, once its owner had time to object.

    The owner is told at every address and number. First make sure that it is the owner who asks.
    """
    try:
        due_at = reset.ask(address, NOBODY)
    except LookupError as problem:
        raise click.ClickException(str(problem.args[0])) from None
    db.session.commit()
    reset.finish_due()
    click.echo(
        f"{address} is told. The second factors go on {due_at:%Y-%m-%d %H:%M} UTC, or in the ten"
        " minutes after it, unless the owner stops that."
    )


@users.command("renew-mfa")
@click.argument("address")
def renew_mfa(address: str) -> None:
    """Let the account with ADDRESS set up the second factor that it must have once more.

    Until then the password alone is enough for that: first make sure that it is the owner who asks.
    """
    try:
        ends_at = grace_period.renew(address, NOBODY)
    except LookupError as problem:
        raise click.ClickException(str(problem.args[0])) from None
    db.session.commit()
    click.echo(f"{address} may set up a second factor until {ends_at:%Y-%m-%d %H:%M} UTC.")


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
        lockout.reopen(user.id, NOBODY)
    db.session.commit()
    click.echo(f"{address} is unlocked.")
