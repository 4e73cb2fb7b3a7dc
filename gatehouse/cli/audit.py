"""`gatehouse audit`: read the audit log."""

import json
from typing import Any
from uuid import UUID

import click

from gatehouse.audit import search
from gatehouse.audit.search import SEARCHABLE_NAMES, EventFilter
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, parse_time
from gatehouse.cli.pages import PageOptions, echo_next_page, paged, to_json_page
from gatehouse.cli.user_lookup import find_user_id
from models import AuditEvent

audit = DatabaseGroup("audit", help="The audit log.")


def parse_name(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Parse the name of an event, or its first part."""
    if value and value not in SEARCHABLE_NAMES:
        raise click.BadParameter(f"there is no event {value}; docs/events.md lists them")
    return value


@audit.command("list")
@click.option("--user", help="Id, e-mail address, username or phone number; an id also if erased.")
@click.option("--actor", help="Who did it to others: a user, or the id of a service account.")
@click.option("--event", "name", callback=parse_name, help="As login.failed; or all of login.")
@click.option("--request-id", help="Events of one request.")
@click.option("--since", callback=parse_time, help="Events since this time (UTC).")
@click.option("--until", callback=parse_time, help="Events before this time (UTC).")
@paged("audit")
@as_json
def list_events(
    user: str | None, actor: str | None, page: PageOptions, as_json: bool, **conditions: Any
) -> None:
    """List events, the newest first. The last line shows how to read on."""
    wanted = EventFilter(_parse_actor(user), _parse_actor(actor), **conditions)
    rows, following = search.search_events(wanted, page.limit, page.after)
    next_cursor = page.encode_cursor(following)
    if as_json:
        click.echo(to_json_page([search.serialize_event(row) for row in rows], next_cursor))
        return
    for row in rows:
        click.echo(_line(row))
    echo_next_page(next_cursor)


def _parse_actor(identifier: str | None) -> UUID | None:
    """Return the id of a user; any id is taken as it is: its user may have been erased."""
    try:
        return UUID(identifier) if identifier else None
    except ValueError:
        return find_user_id(str(identifier))


def _line(row: AuditEvent) -> str:
    actor = f"{row.actor_kind or '-'} {row.actor_id or ''}".rstrip()
    details = json.dumps(row.details) if row.details else ""
    time = f"{row.at:%Y-%m-%d %H:%M:%S}"
    return f"{time}  {row.name:<28}  user {row.user_id or '-'}  by {actor}  {details}".rstrip()
