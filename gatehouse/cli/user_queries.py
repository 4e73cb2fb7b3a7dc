"""`gatehouse users list|show|sessions|factors|identities|risk`: read users."""

from typing import Any

import click

from gatehouse.cli.options import as_json, parse_time
from gatehouse.cli.output import to_json, to_lines
from gatehouse.cli.pages import PageOptions, echo_next_page, paged, to_json_page
from gatehouse.cli.spreadsheets import to_csv
from gatehouse.cli.user_lookup import IDENTIFIER_HELP, find_user_id, user_command
from gatehouse.federation import identities
from gatehouse.mfa import service as mfa
from gatehouse.risk import assessments
from gatehouse.sessions import service as sessions
from gatehouse.users import managed_users, search
from gatehouse.users.managed_users import STATUSES
from gatehouse.users.search import UserFilter

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
@paged("users")
@as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for spreadsheets.")
def list_users(page: PageOptions, as_json: bool, as_csv: bool, **conditions: Any) -> None:
    """List users, the newest first.

    TEXT is an id or a phone number, or the beginning of an e-mail address or username.
    """
    result = search.search_users(UserFilter(**conditions), page.limit, page.after)
    found = [managed_users.serialize_user(row) for row in result.rows]
    next_cursor = page.encode_cursor(result.next_position)
    if as_json:
        total = result.estimated_total
        click.echo(to_json_page(found, next_cursor, estimated_total=total))
    elif as_csv:
        click.echo(to_csv([{name: user[name] for name in SHOWN} for user in found]), nl=False)
    else:
        _echo_users(found, result.estimated_total)
        echo_next_page(next_cursor)


def _echo_users(found: list[dict[str, object]], total: int | None) -> None:
    for user in found:
        click.echo(f"{user['id']}  {user['status']:<10}  {user['email']}")
    of_all = "" if total is None else f" of about {total}"
    click.echo(f"{len(found)}{of_all} users.")


@user_command("show", short_help="Show a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@as_json
def show_user(identifier: str, as_json: bool) -> None:
    """Show a user, without any secret."""
    user = managed_users.get_managed_user(find_user_id(identifier))
    click.echo(
        to_json(user)
        if as_json
        else "\n".join(to_lines({name: user[name] for name in (*SHOWN, "attributes")}))
    )


@user_command("sessions", short_help="List the sessions of a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@as_json
def list_sessions(identifier: str, as_json: bool) -> None:
    """List the active sessions of a user, the newest first."""
    found: list[dict[str, object]] = sessions.list_managed_sessions(find_user_id(identifier))
    if as_json:
        click.echo(to_json_page(found))
        return
    for one in found:
        seen = f"{one['last_seen_at']:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{one['id']}  {seen}  {one['ip_address']}  {one['device']}")
    click.echo(f"{len(found)} active sessions.")


@user_command("factors", short_help="List the factors of a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@as_json
def list_factors(identifier: str, as_json: bool) -> None:
    """List the confirmed factors of a user, without their secrets."""
    found = mfa.list_managed_factors(find_user_id(identifier))
    if as_json:
        click.echo(to_json_page(found))
        return
    for one in found:
        click.echo(f"{one['id']}  {one['kind']:<15}  {one['label']}")
    click.echo(f"{len(found)} confirmed factors.")


@user_command("identities", short_help="List the identities of a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@paged("identities")
@as_json
def list_identities(identifier: str, page: PageOptions, as_json: bool) -> None:
    """List the identities that a user has at identity providers, the newest first."""
    user_id = find_user_id(identifier)
    found, following = identities.list_identities(user_id, page.limit, page.after)
    next_cursor = page.encode_cursor(following)
    if as_json:
        click.echo(to_json_page(found, next_cursor))
        return
    for one in found:
        click.echo(f"{one['id']}  {one['provider']:<15}  {one['subject']}")
    click.echo(f"{len(found)} identities.")
    echo_next_page(next_cursor)


@user_command("risk", short_help="List the risk assessments of a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@paged("risk")
@as_json
def list_assessments(identifier: str, page: PageOptions, as_json: bool) -> None:
    """List what the risk policy found and decided about a user's logins, the newest first."""
    user_id = find_user_id(identifier)
    found, following = assessments.list_assessments(user_id, page.limit, page.after)
    next_cursor = page.encode_cursor(following)
    if as_json:
        click.echo(to_json_page(found, next_cursor))
        return
    for one in found:
        _echo_assessment(one)
    echo_next_page(next_cursor)


def _echo_assessment(one: dict[str, Any]) -> None:
    decision = one["decision"] or "-"
    click.echo(f"{one['at']:%Y-%m-%d %H:%M} UTC  {one['name']}  {decision}  {one['ip_address']}")
    for name, sentence in one["findings"].items():
        click.echo(f"  {name}: {sentence}")
