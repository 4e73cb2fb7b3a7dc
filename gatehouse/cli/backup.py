"""`gatehouse backup` and `gatehouse restore`: the whole database in one file."""

from pathlib import Path

import click
from flask.cli import with_appcontext
from flask_migrate import upgrade
from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.account import restored_backup
from gatehouse.cli.database_group import database_error
from gatehouse.database import backup
from gatehouse.database.error_description import safe_url
from gatehouse.database.owner_connection import OWNER_SETTING, get_owner_url
from gatehouse.database.postgres_programs import BackupFailed
from gatehouse.database.session import db
from gatehouse.web.request_context import NO_REQUEST

KEYS_NOT_INCLUDED = (
    "It does not contain your key rings (GATEHOUSE_ENCRYPTION_KEYS, GATEHOUSE_PASSWORD_PEPPERS,"
    " GATEHOUSE_SECRET_KEYS): keep copies of them in another place. Without them no one can log in."
)
WARNING = (
    "Everything in {url} is replaced. All users have to log in again; API keys, codes, links and"
    " invitations are void. Stop all servers and workers first. Continue?"
)

file_argument = click.argument("file", type=click.Path(path_type=Path))


@click.command("backup")
@file_argument
@with_appcontext
def back_up(file: Path) -> None:
    """Write the whole database to FILE while the service runs."""
    try:
        backup.write_backup(_direct_url(), file.absolute())
    except BackupFailed as problem:
        raise click.ClickException(f"There is no backup. {problem}.") from None
    click.echo(f"The database is backed up in {file}. {KEYS_NOT_INCLUDED}")


@click.command("restore")
@file_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def restore(file: Path, yes: bool) -> None:
    """Replace everything in the database by the backup in FILE, and end all sessions."""
    url = _direct_url()
    if not yes:
        click.confirm(WARNING.format(url=safe_url(url)), abort=True)
    db.session.remove()
    try:
        backup.restore_backup(url, file.absolute())
        upgrade()
        restored_backup.revoke_restored_access(NO_REQUEST)
        db.session.commit()
    except BackupFailed as problem:
        raise click.ClickException(f"Nothing was restored. {problem}.") from None
    except SQLAlchemyError as problem:
        raise database_error(url, problem) from None
    click.echo(f"{file} is restored and migrated. All sessions have ended; start the servers.")


def _direct_url() -> str:
    """Return the URL of the database past a pooler: pg_dump sets parameters of its session."""
    settings = config.settings()
    if settings.database_pooler == "transaction" and not settings.migration_database_url:
        raise click.ClickException(
            f"DATABASE_URL names a pooler: set {OWNER_SETTING} to the database itself."
        )
    return get_owner_url()
