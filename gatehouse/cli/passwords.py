"""`flask passwords`: what is known about stored passwords."""

import click

from gatehouse.cli.database_group import Group
from gatehouse.database.session import db, writing
from gatehouse.passwords import service
from gatehouse.sessions import service as sessions
from gatehouse.users import service as users
from gatehouse.web.request_context import NOBODY

passwords = Group("passwords", help="Stored password hashes.")


@passwords.command("status")
def status() -> None:
    """Count the hashes of each pepper; one that has none can leave GATEHOUSE_PASSWORD_PEPPERS."""
    for pepper, count in sorted(service.per_pepper().items()):
        click.echo(f"{pepper:<16} {count}")


@passwords.command("flag")
@click.argument("address")
def flag(address: str) -> None:
    """Say that others know the password of the account with ADDRESS, and end its sessions.

    It opens nothing any more; the owner chooses a new one by mail.
    """
    with writing():
        user = users.find(address)
        if user is None:
            raise click.ClickException(f"{address} has no account.")
        service.flag(user.id, NOBODY)
        sessions.end_all(user.id, "password_compromised", NOBODY)
    db.session.commit()
    click.echo(f"The password of {address} opens nothing any more.")
