"""`flask users list|show|sessions|factors`: read users."""

from typing import Any

import click

from gatehouse.cli.options import as_json, parse_time
from gatehouse.cli.output import to_json, to_lines
from gatehouse.cli.spreadsheets import to_csv
from gatehouse.cli.user_lookup import IDENTIFIER_HELP, find_user_id, user_command
from gatehouse.mfa import service as mfa
from gatehouse.sessions import service as sessions
from gatehouse.users import managed_users, search
from gatehouse.users.managed_users import STATUSES
from gatehouse.users.search import UserFilter
from gatehouse.web.user_agent import device_name

SHOWN = (
    *("id", "email", "username", "phone", "name", "status", "roles", "factors", "password"),
    *("disabled_until", "disabled_reason", "erased_after", "created_at"),
)


@user_command("list", short_help="List and search users.")
@click.argument("text", required=False)
@click.option("--status", type=click.Choice(STATUSES), help="Only users of this status.")
@click.option("--role", help="Only users with this role.")
@click.option("--factor", help="Only users with this kind of factor; `none` for without any.")
@click.option("--created-after", callback=parse_time, help="Only users created since (UTC).")
@click.option("--created-before", callback=parse_time, help="Only users created before (UTC).")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for spreadsheets.")
def list_users(limit: int, as_json: bool, as_csv: bool, **conditions: Any) -> None:
    """List users, the newest first.

    TEXT is an id or a phone number, or the beginning of an e-mail address or username.
    """
    page = search.search_users(UserFilter(**conditions), limit)
    found = [managed_users.serialize(row) for row in page.rows]
    if as_json:
        click.echo(to_json({"items": found, "estimated_total": page.estimated_total}))
        return
    if as_csv:
        click.echo(to_csv([{name: user[name] for name in SHOWN} for user in found]), nl=False)
        return
    for user in found:
        click.echo(f"{user['id']}  {user['status']:<10}  {user['email']}")
    click.echo(f"{len(found)} of about {page.estimated_total} users.")


@user_command("show", short_help="Show a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@as_json
def show_user(identifier: str, as_json: bool) -> None:
    """Show a user, without any secret."""
    user = managed_users.get_managed_user(find_user_id(identifier))
    click.echo(
        to_json(user) if as_json else "\n".join(to_lines({name: user[name] for name in SHOWN}))
    )


@user_command("sessions", short_help="List the sessions of a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@as_json
def list_sessions(identifier: str, as_json: bool) -> None:
    """List the active sessions of a user, the newest first."""
    rows = sessions.active_sessions(find_user_id(identifier))
    if as_json:
        names = ("id", "created_at", "last_seen_at", "expires_at", "ip_address", "amr", "acr")
        click.echo(to_json([{name: getattr(row, name) for name in names} for row in rows]))
        return
    for row in rows:
        seen = f"{row.last_seen_at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{row.id}  {seen}  {row.ip_address}  {device_name(row.user_agent)}")
    click.echo(f"{len(rows)} active sessions.")


@user_command("factors", short_help="List the factors of a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@as_json
def list_factors(identifier: str, as_json: bool) -> None:
    """List the confirmed factors of a user, without their secrets."""
    found = mfa.list_factors(find_user_id(identifier))
    if as_json:
        click.echo(to_json(found))
        return
    for one in found:
        click.echo(f"{one['id']}  {one['kind']:<15}  {one['label']}")
    click.echo(f"{len(found)} confirmed factors.")
