"""`gatehouse passwords`: inspect password hashes, and mark passwords as compromised."""

import click

from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.passwords import service
from gatehouse.sessions import service as sessions
from gatehouse.users import service as users
from gatehouse.web.request_context import NO_REQUEST

passwords = DatabaseGroup("passwords", help="Stored password hashes.")


@passwords.command("status")
def show_status() -> None:
    """Count hashes per pepper; one without can be removed from GATEHOUSE_PASSWORD_PEPPERS."""
    for pepper, count in sorted(service.count_by_pepper().items()):
        click.echo(f"{pepper:<16} {count}")


@passwords.command("flag")
@click.argument("identifier")
def flag_password(identifier: str) -> None:
    """Mark the password of a user as compromised, and end the user's sessions.

    IDENTIFIER is an e-mail address, username or phone number. The password is no longer accepted;
    the user sets a new one by password reset.
    """
    with write_transaction():
        user = users.find_user(identifier)
        if user is None:
            raise click.ClickException(f"{identifier} has no account.")
        advisory_lock(users.lock_key(user.id))
        service.mark_compromised(user.id, NO_REQUEST)
        sessions.end_all_sessions(user.id, "password_compromised", NO_REQUEST)
    db.session.commit()
    click.echo(f"The password of {identifier} is no longer accepted.")
