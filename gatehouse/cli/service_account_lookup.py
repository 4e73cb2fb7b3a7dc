"""What the commands on service accounts share: find one, and print it with its keys."""

from uuid import UUID

import click
from sqlalchemy import select

from gatehouse.cli.output import to_json
from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.service_accounts import accounts, keys
from gatehouse.service_accounts.keys import CreatedKey
from models import ServiceAccount

ACCOUNT_HELP = "ACCOUNT is the name or id of a service account."


def find_account(name_or_id: str) -> ServiceAccount:
    """Return a service account by its name or id.

    Raises:
        ClickException: there is none.
    """
    try:
        named = ServiceAccount.id == UUID(name_or_id)
    except ValueError:
        named = ServiceAccount.name == name_or_id
    account = db.session.scalar(select(ServiceAccount).where(named))
    if account is None:
        raise click.ClickException(f"There is no service account {name_or_id}.")
    return account


def commit_and_report(sentence: str, account: ServiceAccount, as_json: bool) -> None:
    """Commit the change; print a sentence, or the service account as JSON."""
    db.session.commit()
    click.echo(to_json(accounts.describe_account(account.id)) if as_json else sentence)


def commit_and_show_key(created: CreatedKey, as_json: bool) -> None:
    """Commit a new key and print it, the only time that it is shown."""
    db.session.commit()
    row, text = created.row, created.text
    if as_json:
        click.echo(to_json(keys.serialize_key(row) | {"key": text}))
        return
    click.echo(f"This is the only time that the key is shown:\n\n  {text}\n")
    click.echo(f"Its id is {row.id}. It expires at {clock.format_rfc3339(row.expires_at)}.")
