"""`gatehouse clients`: the applications that users sign in to, as the operators' API has them."""

import json
from datetime import datetime, timedelta
from typing import Any, TextIO
from uuid import UUID

import click

from gatehouse.cli.client_options import client_options, collect_members
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, confirmed, parse_end
from gatehouse.cli.output import commit_deletion, to_json, to_lines
from gatehouse.cli.pages import to_json_page
from gatehouse.cli.user_lookup import load_form
from gatehouse.core.errors import ValidationFailed
from gatehouse.database.session import db
from gatehouse.oauth import client_definitions, client_secrets, declared_changes
from gatehouse.oauth.client_declarations import parse_declarations
from gatehouse.oauth.client_forms import ClientUpdate, NewClient
from gatehouse.oauth.client_metadata import KINDS
from gatehouse.oauth.client_secrets import CreatedSecret
from gatehouse.oauth.declared_changes import UNCHANGED, Difference
from gatehouse.web.request_context import NO_REQUEST

clients = DatabaseGroup("clients", help="Applications that users sign in to.")
CLIENT_HELP = "CLIENT is the client_id of an application."
DEFAULT_MINUTES = client_secrets.DEFAULT_OVERLAP // timedelta(minutes=1)
OVERLAP = click.IntRange(0, client_secrets.MAX_OVERLAP // timedelta(minutes=1))
ONLY_TIME = "This is the only time that the secret is shown:"


@clients.command("list")
@as_json
def list_clients(as_json: bool) -> None:
    """List the applications, by id."""
    found = client_definitions.describe_clients(client_definitions.list_client_ids())
    lines = [
        f"{one['client_id']!s:24} {one['kind']!s:8} {'' if one['enabled'] else 'disabled '}"
        f"{one['name']}"
        for one in found
    ]
    click.echo(to_json_page(found) if as_json else "\n".join(lines))


@clients.command("show", epilog=CLIENT_HELP)
@click.argument("client")
@as_json
def show_client(client: str, as_json: bool) -> None:
    """Show an application, without its secrets."""
    found = client_definitions.describe_client(client)
    click.echo(to_json(found) if as_json else "\n".join(to_lines(found)))


@clients.command("create")
@click.argument("client_id")
@click.argument("name")
@click.argument("kind", type=click.Choice(KINDS))
@client_options
@as_json
def create_client(client_id: str, name: str, kind: str, as_json: bool, **options: Any) -> None:
    """Register an application, and print its first secret if it authenticates with one."""
    members = {"client_id": client_id, "name": name, "kind": kind} | collect_members(options)
    form = load_form(NewClient(), members)
    registered = client_definitions.register_client(
        form.client_id, form.kind, form.change, NO_REQUEST
    )
    db.session.commit()
    if as_json:
        item = client_definitions.serialize_client(registered.client)
        click.echo(to_json(item | {"client_secret": registered.secret}))
        return
    click.echo(f"The application {registered.client.id} is registered.")
    if registered.secret:
        click.echo(f"{ONLY_TIME}\n\n  {registered.secret}\n")


@clients.command("change", epilog=CLIENT_HELP)
@click.argument("client")
@click.option("--name")
@click.option("--enable/--disable", "enabled", default=None)
@click.option("--clear", multiple=True, help="A value that it shall not have; repeatable.")
@client_options
@as_json
def change_client(client: str, clear: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Change an application; an option that is repeatable replaces all of its kind."""
    cleared = dict.fromkeys(name.replace("-", "_") for name in clear)
    change = load_form(ClientUpdate(), collect_members(options) | cleared)
    client_definitions.change_client(client, change, NO_REQUEST)
    db.session.commit()
    item = client_definitions.describe_client(client)
    click.echo(to_json(item) if as_json else f"The application {client} is changed.")


@clients.command("delete", epilog=CLIENT_HELP)
@click.argument("client")
@confirmed("Delete the application with its secrets, and end its access to all users?")
@as_json
def delete_client(client: str, as_json: bool) -> None:
    """Delete an application; --json prints nothing."""
    client_definitions.delete_client(client, NO_REQUEST)
    commit_deletion(f"The application {client} is deleted.", as_json)


@clients.command("list-secrets", epilog=CLIENT_HELP)
@click.argument("client")
@as_json
def list_secrets(client: str, as_json: bool) -> None:
    """List the secrets of an application, the newest first, for 90 days after their end."""
    rows = client_secrets.list_secrets(client_definitions.get_client(client))
    found = [client_secrets.serialize_secret(row) for row in rows]
    if as_json:
        click.echo(to_json_page(found))
        return
    for row in rows:
        end = f"expires {row.expires_at:%Y-%m-%d}" if row.expires_at else "does not expire"
        end = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else end
        click.echo(f"{row.id}  created {row.created_at:%Y-%m-%d}  {end}")


@clients.command("add-secret", epilog=CLIENT_HELP)
@click.argument("client")
@click.option("--until", callback=parse_end, help="When the secret expires (UTC).")
@as_json
def add_secret(client: str, until: datetime | None, as_json: bool) -> None:
    """Give an application one more secret, and print it; it has two at most."""
    with client_definitions.changing_client(client, NO_REQUEST) as row:
        created = client_secrets.add_secret(row, until, NO_REQUEST)
    _commit_and_show(created, as_json)


@clients.command("rotate-secret", epilog=CLIENT_HELP)
@click.argument("client")
@click.argument("secret", type=click.UUID)
@click.option("--overlap-minutes", type=OVERLAP, default=DEFAULT_MINUTES, show_default=True)
@as_json
def rotate_secret(client: str, secret: UUID, overlap_minutes: int, as_json: bool) -> None:
    """Replace the secret with the id SECRET by a new one, and print that."""
    overlap = timedelta(minutes=overlap_minutes)
    with client_definitions.changing_client(client, NO_REQUEST) as row:
        old = client_secrets.get_secret(row, secret)
        created = client_secrets.rotate_secret(old, row, overlap, NO_REQUEST)
    _commit_and_show(created, as_json)


@clients.command("revoke-secret", epilog=CLIENT_HELP)
@click.argument("client")
@click.argument("secret", type=click.UUID)
@confirmed("Revoke the secret? The application is rejected with it at once.")
@as_json
def revoke_secret(client: str, secret: UUID, as_json: bool) -> None:
    """Revoke the secret with the id SECRET; --json prints nothing."""
    with client_definitions.changing_client(client, NO_REQUEST) as row:
        client_secrets.revoke_secret(client_secrets.get_secret(row, secret), NO_REQUEST)
    commit_deletion("The secret is revoked.", as_json)


@clients.command("apply")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@as_json
def apply_file(file: TextIO, dry_run: bool, as_json: bool) -> None:
    """Create and change the applications and APIs that a TOML file declares; safe to repeat.

    Everything is checked first, and changed in one transaction. What the file does not name stays.
    """
    found = _apply(file)
    if dry_run:
        db.session.rollback()
    db.session.commit()
    if as_json:
        click.echo(to_json({"items": [vars(one) for one in found], "dry_run": dry_run}))
        return
    click.echo("\n".join(line for one in found for line in _to_diff(one)))
    click.echo("Nothing was changed: this was a dry run." if dry_run else "Done.")


def _apply(file: TextIO) -> list[Difference]:
    """Apply a file, without committing; report everything that is wrong in it."""
    try:
        declared = parse_declarations(file.read())
        return declared_changes.apply_declarations(declared, NO_REQUEST)
    except ValidationFailed as problem:
        errors = problem.errors.items()
        lines = [f"{path}: {one['message']}" for path, found in errors for one in found]
        raise click.ClickException("\n".join(["Nothing was changed.", *lines])) from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{file.name} is not in UTF-8.") from None


def _to_diff(found: Difference) -> list[str]:
    """Return what is different in lines; long values in full, so that nothing is overlooked."""
    sign = {"created": "+", "changed": "~", UNCHANGED: "="}[found.action]
    lines = [f"{sign} {found.kind} {found.id}: {found.action}"]
    for name, (before, after) in found.changes.items():
        old = f"{_to_text(before)} -> " if before is not None else ""
        if before is not None or after not in (None, []):
            lines.append(f"    {name}: {old}{_to_text(after)}")
    if found.secret:
        lines.append(f"    secret: {found.secret}")
    return lines


def _to_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _commit_and_show(created: CreatedSecret, as_json: bool) -> None:
    """Commit a new secret and print it, the only time that it is shown."""
    db.session.commit()
    if as_json:
        item = client_secrets.serialize_secret(created.row)
        click.echo(to_json(item | {"client_secret": created.text}))
        return
    click.echo(f"{ONLY_TIME}\n\n  {created.text}\n")
    click.echo(f"Its id is {created.row.id}.")
