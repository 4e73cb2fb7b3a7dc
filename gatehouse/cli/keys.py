"""`gatehouse keys`: manage signing keys, and the encryption of stored secrets."""

import time

import click

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.core import clock
from gatehouse.database import reencryption
from gatehouse.database.session import db, write_transaction
from gatehouse.tokens import keys as signing_keys
from gatehouse.tokens import sync
from gatehouse.tokens.worker_state import MAX_STATE_AGE
from gatehouse.web.request_context import NO_REQUEST
from models import SigningKey

keys = DatabaseGroup("keys", help="Signing keys, and the encryption of stored secrets.")


@keys.command("list")
def list_keys() -> None:
    """Show the signing keys: next, active, retired and expired."""
    for row, stage in signing_keys.list_keys():
        click.echo(f"{stage:<9} {row.algorithm:<6} {row.kid}  made {row.created_at:%Y-%m-%d %H:%M}")


@keys.command("rotate")
def rotate_keys() -> None:
    """Sign with the next key; the retired one still verifies tokens. Needs no restart."""
    signing_keys.ensure_keys(NO_REQUEST)  # a database that was never served from has none
    db.session.commit()
    row = _rotate_when_published()
    db.session.commit()
    click.echo(f"{row.kid} signs from now on; a new next key is published already.")
    age = (clock.now() - row.created_at).total_seconds()
    if age < signing_keys.JWKS_MAX_AGE:
        click.echo(
            f"It was published {age:.0f} s ago: verifiers that cache the key set for"
            f" {signing_keys.JWKS_MAX_AGE} s and do not fetch it sooner do not have this key yet.",
            err=True,
        )


def _rotate_when_published() -> SigningKey:
    """Rotate as soon as every running worker has read the next key."""
    while True:
        try:
            return signing_keys.rotate_keys(NO_REQUEST, MAX_STATE_AGE + sync.INTERVAL)
        except signing_keys.KeyNotYetPublished as error:
            db.session.rollback()
            time.sleep(error.seconds)


@keys.command("revoke", context_settings={"ignore_unknown_options": True})
@click.argument("kid")
def revoke_key(kid: str) -> None:
    """Revoke a key that may have leaked: all tokens it signed become invalid immediately.

    KID may start with a hyphen.
    """
    try:
        signing_keys.revoke_key(kid, NO_REQUEST)
    except LookupError as problem:
        raise click.ClickException(str(problem)) from None
    db.session.commit()
    click.echo(f"{kid} is revoked.")


@keys.command("rotate-encryption")
def rotate_encryption() -> None:
    """Encrypt all stored secrets with the first key of GATEHOUSE_ENCRYPTION_KEYS."""
    changed = reencryption.reencrypt_all()
    with write_transaction():
        record(events.SigningKey.REENCRYPTED, NO_REQUEST, count=changed)
    db.session.commit()
    click.echo(f"Encrypted {changed} values; the other keys can be removed from the key ring.")
