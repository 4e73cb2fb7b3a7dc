"""`gatehouse service-accounts`: service accounts and API keys, as the operators' API has them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import click

from gatehouse.authorization.assignments import Assignment
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, confirmed, parse_end
from gatehouse.cli.output import commit_deletion, to_json, to_lines
from gatehouse.cli.pages import PageOptions, echo_next_page, paged, to_json_page
from gatehouse.cli.service_account_lookup import (
    ACCOUNT_HELP,
    commit_and_report,
    commit_and_show_key,
    find_account,
)
from gatehouse.cli.user_lookup import find_user_id
from gatehouse.database.session import db
from gatehouse.service_accounts import accounts, keys
from gatehouse.service_accounts.accounts import ServiceAccountChange
from gatehouse.service_accounts.keys import KeyRef, NewKey
from gatehouse.web.request_context import NO_REQUEST

service_accounts = DatabaseGroup("service-accounts", help="Service accounts and their API keys.")
DEFAULT_MINUTES = keys.DEFAULT_OVERLAP // timedelta(minutes=1)
OVERLAP = click.IntRange(0, keys.MAX_OVERLAP // timedelta(minutes=1))
granted = click.option("--role", "roles", multiple=True, help="A role of it; repeatable.")
until = click.option("--until", callback=parse_end, help="When the key expires (UTC).")


@service_accounts.command("list")
@paged("service accounts")
@as_json
def list_accounts(page: PageOptions, as_json: bool) -> None:
    """List the service accounts, the newest first."""
    rows, following = accounts.list_accounts(page.limit, page.after)
    roles_of = accounts.list_roles_of([row.id for row in rows])
    found = [accounts.serialize_account(row, roles_of[row.id]) for row in rows]
    next_cursor = page.encode_cursor(following)
    if as_json:
        click.echo(to_json_page(found, next_cursor))
        return
    for one in found:
        state = "" if one["enabled"] else "disabled "
        click.echo(f"{one['name']:24} {state}{_join_roles(one)}".rstrip())
    echo_next_page(next_cursor)


@service_accounts.command("show", epilog=ACCOUNT_HELP)
@click.argument("account")
@as_json
def show_account(account: str, as_json: bool) -> None:
    """Show a service account."""
    found = accounts.describe_account(find_account(account).id)
    lines = to_lines(found | {"roles": _join_roles(found)})
    click.echo(to_json(found) if as_json else "\n".join(lines))


@service_accounts.command("list-keys", epilog=ACCOUNT_HELP)
@click.argument("account")
@paged("api keys")
@as_json
def list_keys(account: str, page: PageOptions, as_json: bool) -> None:
    """List the API keys of a service account, the newest first, for 90 days after their end."""
    rows, following = keys.list_keys(find_account(account).id, page.limit, page.after)
    next_cursor = page.encode_cursor(following)
    if as_json:
        click.echo(to_json_page([keys.serialize_key(row) for row in rows], next_cursor))
        return
    for row in rows:
        end = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else ""
        end = end or f"expires {row.expires_at:%Y-%m-%d}"
        click.echo(f"{row.id}  {end:<18}  {row.name}")
    click.echo(f"{len(rows)} keys.")
    echo_next_page(next_cursor)


@service_accounts.command("create")
@click.argument("name")
@click.argument("description")
@click.option("--owner", required=True, help="The user who is responsible: any identifier.")
@granted
@as_json
def create_account(name: str, description: str, as_json: bool, **of: Any) -> None:
    """Create a service account, whose owner is notified of expiring keys."""
    given = [Assignment(role) for role in of["roles"]]
    change = ServiceAccountChange(name, description, find_user_id(of["owner"]), roles=given)
    account = accounts.create_account(change, NO_REQUEST)
    commit_and_report(f"The service account {name} is created: {account.id}", account, as_json)


@service_accounts.command("change", epilog=ACCOUNT_HELP)
@click.argument("account")
@click.option("--name")
@click.option("--description")
@click.option("--owner", help="Another user who is responsible.")
@granted
@as_json
def change_account(account: str, roles: tuple[str, ...], as_json: bool, **fields: Any) -> None:
    """Change a service account; --role replaces all its roles."""
    owner = fields.pop("owner")
    given = [Assignment(role) for role in roles] or None
    owner_id = find_user_id(owner) if owner else None
    change = ServiceAccountChange(**fields, owner_id=owner_id, roles=given)
    changed = accounts.change_account(find_account(account).id, change, NO_REQUEST)
    commit_and_report(f"The service account {changed.name} is changed.", changed, as_json)


@service_accounts.command("disable", epilog=ACCOUNT_HELP)
@click.argument("account")
@as_json
def disable_account(account: str, as_json: bool) -> None:
    """Disable a service account: its keys are rejected within a second."""
    _set_enabled(account, False, as_json)


@service_accounts.command("enable", epilog=ACCOUNT_HELP)
@click.argument("account")
@as_json
def enable_account(account: str, as_json: bool) -> None:
    """Enable a disabled service account; its keys are accepted again."""
    _set_enabled(account, True, as_json)


def _set_enabled(account: str, enabled: bool, as_json: bool) -> None:
    change = ServiceAccountChange(enabled=enabled)
    changed = accounts.change_account(find_account(account).id, change, NO_REQUEST)
    state = "enabled" if enabled else "disabled"
    commit_and_report(f"The service account {changed.name} is {state}.", changed, as_json)


@service_accounts.command("delete", epilog=ACCOUNT_HELP)
@click.argument("account")
@confirmed("Delete the service account and all its keys?")
@as_json
def delete_account(account: str, as_json: bool) -> None:
    """Delete a service account and its keys; --json prints nothing."""
    accounts.delete_account(find_account(account).id, NO_REQUEST)
    commit_deletion(f"The service account {account} is deleted.", as_json)


@service_accounts.command("create-key", epilog=ACCOUNT_HELP)
@click.argument("account")
@click.argument("name")
@click.option("--permission", "permissions", multiple=True, required=True, help="Repeatable.")
@click.option("--network", "networks", multiple=True, help="Repeatable.")
@until
@as_json
def create_key(account: str, name: str, until: datetime | None, as_json: bool, **to: Any) -> None:
    """Create an API key and print it; it expires after 90 days unless --until is given."""
    wanted = NewKey(name, to["permissions"], to["networks"], until)
    created = keys.create_key(find_account(account).id, wanted, NO_REQUEST)
    commit_and_show_key(created, as_json)


@service_accounts.command("rotate-key", epilog=ACCOUNT_HELP)
@click.argument("account")
@click.argument("key", type=click.UUID)
@click.option("--overlap-minutes", type=OVERLAP, default=DEFAULT_MINUTES, show_default=True)
@until
@as_json
def rotate_key(account: str, key: UUID, as_json: bool, **to: Any) -> None:
    """Replace the API key with the id KEY by a new one, and print it."""
    ref = KeyRef(find_account(account).id, key)
    overlap = timedelta(minutes=to["overlap_minutes"])
    commit_and_show_key(keys.rotate_key(ref, to["until"], overlap, NO_REQUEST), as_json)


@service_accounts.command("revoke-key", epilog=ACCOUNT_HELP)
@click.argument("account")
@click.argument("key", type=click.UUID)
@confirmed("Revoke the key? Programs that use it stop working within a second.")
@as_json
def revoke_key(account: str, key: UUID, as_json: bool) -> None:
    """Revoke the API key with the id KEY."""
    ref = KeyRef(find_account(account).id, key)
    keys.revoke_key(ref, NO_REQUEST)
    db.session.commit()
    click.echo(to_json(keys.serialize_key(keys.get_key(ref))) if as_json else "The key is revoked.")


def _join_roles(account: dict[str, Any]) -> str:
    return " ".join(one["role"] for one in account["roles"])
