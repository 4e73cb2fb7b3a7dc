"""`flask audit`: read the audit log."""

import json
from datetime import datetime
from uuid import UUID

import click

from gatehouse.audit import events as catalogue
from gatehouse.audit import search
from gatehouse.audit.search import EventFilter
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, parse_time
from gatehouse.cli.output import to_json
from gatehouse.cli.user_lookup import find_user_id
from models import AuditEvent

audit = DatabaseGroup("audit", help="The audit log.")


def parse_name(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Parse the name of an event, or its first part."""
    names = {event.name for event in catalogue.all_events()}
    if value and value not in names | {name.partition(".")[0] for name in names}:
        raise click.BadParameter(f"there is no event {value}; docs/events.md lists them")
    return value


@audit.command("list")
@click.option("--user", help="Id, e-mail address, username or phone number; an id also if erased.")
@click.option("--event", "name", callback=parse_name, help="As login.failed; or all of login.")
@click.option("--request-id", help="Events of one request.")
@click.option("--since", callback=parse_time, help="Events since this time (UTC).")
@click.option("--until", callback=parse_time, help="Events before this time (UTC).")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json
def list_events(
    user: str | None, limit: int, as_json: bool, **conditions: str | datetime | None
) -> None:
    """List events, the newest first. The last line shows how to read on."""
    user_id = _parse_user(user) if user else None
    rows = search.search_events(EventFilter(user_id, **conditions), limit)  # type: ignore[arg-type] # by name
    if as_json:
        click.echo(to_json([search.serialize(row) for row in rows]))
        return
    for row in rows:
        click.echo(_line(row))
    if len(rows) == limit:
        click.echo(f"There may be more: repeat it with --until {rows[-1].at:%Y-%m-%dT%H:%M:%S.%f}")


def _parse_user(identifier: str) -> UUID:
    """Return the id of a user, who may have been erased if it is an id."""
    try:
        return UUID(identifier)
    except ValueError:
        return find_user_id(identifier)


def _line(row: AuditEvent) -> str:
    actor = f"{row.actor_kind or '-'} {row.actor_id or ''}".rstrip()
    details = json.dumps(row.details) if row.details else ""
    time = f"{row.at:%Y-%m-%d %H:%M:%S}"
    return f"{time}  {row.name:<28}  user {row.user_id or '-'}  by {actor}  {details}".rstrip()
