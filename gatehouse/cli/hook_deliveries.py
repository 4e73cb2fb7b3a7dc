"""`gatehouse hooks deliveries|replay|test`: what was delivered to a webhook, and again."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import click

from gatehouse.cli.hooks import HOOK_HELP, find_hook, hooks
from gatehouse.cli.options import as_json, parse_time
from gatehouse.cli.output import to_json
from gatehouse.database.session import db
from gatehouse.hooks import deliveries
from gatehouse.hooks.deliveries import ReplayRequest
from gatehouse.web.request_context import NO_REQUEST


@hooks.command("deliveries", epilog=HOOK_HELP)
@click.argument("hook")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json
def list_deliveries(hook: str, limit: int, as_json: bool) -> None:
    """List the newest events for a webhook."""
    items, _ = deliveries.list_deliveries(find_hook(hook).id, limit)
    if as_json:
        click.echo(to_json(items))
        return
    for item in items:
        problem = item["last_error"] or ""
        about = f"{item['event_id']}  {item['type']:20} {item['state']:10}"
        click.echo(f"{about} {item['attempts']:>2} attempts  {problem}".rstrip())


@hooks.command("replay", epilog=HOOK_HELP)
@click.argument("hook")
@click.option("--since", callback=parse_time, help="All events since this time (UTC).")
@click.option("--delivery", "event_id", type=click.UUID, help="One event, by its webhook-id.")
def replay_events(hook: str, since: datetime | None, event_id: UUID | None) -> None:
    """Deliver events to a webhook again, with the same ids."""
    if (since is None) == (event_id is None):
        raise click.UsageError("Give either --since or --delivery.")
    request = ReplayRequest(event_id, since)
    count = deliveries.replay_events(find_hook(hook).id, request, NO_REQUEST)
    db.session.commit()
    click.echo(f"{count} {'event is' if count == 1 else 'events are'} delivered again.")


@hooks.command("test", epilog=HOOK_HELP)
@click.argument("hook")
@as_json
def send_test(hook: str, as_json: bool) -> None:
    """Send a hook.test event to a webhook now, and print what to correct."""
    result = deliveries.send_test(find_hook(hook).id, NO_REQUEST)
    if as_json:
        click.echo(to_json(asdict(result)))
    elif result.delivered:
        click.echo(f"The test event {result.event_id} was accepted. {result.message}")
    if not result.delivered and not as_json:
        raise click.ClickException(f"{result.message} {result.advice}")
