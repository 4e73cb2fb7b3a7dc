"""`flask keys`: signing keys and the encryption of what is stored."""

import time

import click

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.cli.database_group import Group
from gatehouse.core import clock
from gatehouse.database import reencryption
from gatehouse.database.session import db, writing
from gatehouse.tokens import keys as ring
from gatehouse.tokens import sync
from gatehouse.tokens.worker_state import STALE
from gatehouse.web.request_context import NOBODY
from models import SigningKey

keys = Group("keys", help="Signing keys, and the encryption of stored secrets.")


@keys.command("list")
def list_keys() -> None:
    """Show the signing keys: next, active, retiring and gone."""
    for row, stage in ring.stages():
        click.echo(f"{stage:<9} {row.algorithm:<6} {row.kid}  made {row.created_at:%Y-%m-%d %H:%M}")


@keys.command("rotate")
def rotate() -> None:
    """Let the next key sign; the active one retires and verifies on. No restart is needed."""
    with writing():  # a database that never served has no key yet
        ring.ensure()
    db.session.commit()
    row = _rotate_when_known()
    db.session.commit()
    click.echo(f"{row.kid} signs from now on; the new next key is published already.")
    age = (clock.now() - row.created_at).total_seconds()
    if age < ring.PUBLISHED_AHEAD:
        click.echo(
            f"It was published {age:.0f} s ago: verifiers that keep the keys for"
            f" {ring.PUBLISHED_AHEAD} s and never ask again sooner do not know it yet.",
            err=True,
        )


def _rotate_when_known() -> SigningKey:
    """Rotate as soon as every worker that serves has read the next key."""
    while True:
        try:
            with writing():
                return ring.rotate(known_for=STALE + sync.INTERVAL)
        except ring.TooYoung as young:
            db.session.rollback()
            time.sleep(young.seconds)


@keys.command("revoke", context_settings={"ignore_unknown_options": True})
@click.argument("kid")
def revoke(kid: str) -> None:
    """Withdraw a key that may be in wrong hands: every token it signed is dead at once.

    KID may start with a hyphen.
    """
    try:
        with writing():
            ring.revoke(kid)
    except LookupError as problem:
        raise click.ClickException(str(problem)) from None
    db.session.commit()
    click.echo(f"{kid} is withdrawn.")


@keys.command("rotate-encryption")
def rotate_encryption() -> None:
    """Encrypt all stored secrets with the first key of GATEHOUSE_ENCRYPTION_KEYS."""
    changed = reencryption.reencrypt_all()
    with writing():
        record(events.Key.REENCRYPTED, NOBODY, values=changed)
    db.session.commit()
    click.echo(f"{changed} values encrypted anew; the other keys can leave the ring.")
