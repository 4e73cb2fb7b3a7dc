"""`gatehouse hooks deliveries|replay|test`: what was delivered to a webhook, and again."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import click

from gatehouse.cli.hooks import HOOK_HELP, find_hook, hooks
from gatehouse.cli.options import as_json, parse_time
from gatehouse.cli.output import to_json
from gatehouse.cli.pages import PageOptions, echo_next_page, paged, to_json_page
from gatehouse.database.session import db
from gatehouse.hooks import deliveries
from gatehouse.hooks.deliveries import ReplayRequest
from gatehouse.web.request_context import NO_REQUEST


@hooks.command("deliveries", epilog=HOOK_HELP)
@click.argument("hook")
@paged("webhook deliveries")
@as_json
def list_deliveries(hook: str, page: PageOptions, as_json: bool) -> None:
    """List the events for a webhook, the newest first."""
    items, following = deliveries.list_deliveries(find_hook(hook).id, page.limit, page.after)
    next_cursor = page.encode_cursor(following)
    if as_json:
        click.echo(to_json_page(items, next_cursor))
        return
    for item in items:
        problem = item["last_error"] or ""
        about = f"{item['event_id']}  {item['type']:20} {item['state']:10}"
        attempts = "attempt " if item["attempts"] == 1 else "attempts"
        click.echo(f"{about} {item['attempts']:>2} {attempts}  {problem}".rstrip())
    echo_next_page(next_cursor)


@hooks.command("replay", epilog=HOOK_HELP)
@click.argument("hook")
@click.option("--since", callback=parse_time, help="All events since this time (UTC).")
@click.option("--delivery", "event_id", type=click.UUID, help="One event, by its webhook-id.")
@as_json
def replay_events(hook: str, since: datetime | None, event_id: UUID | None, as_json: bool) -> None:
    """Deliver events to a webhook again, with the same ids."""
    if (since is None) == (event_id is None):
        raise click.UsageError("Give either --since or --delivery.")
    request = ReplayRequest(event_id, since)
    count = deliveries.replay_events(find_hook(hook).id, request, NO_REQUEST)
    db.session.commit()
    sentence = f"{count} {'event is' if count == 1 else 'events are'} delivered again."
    click.echo(to_json({"count": count}) if as_json else sentence)


@hooks.command("test", epilog=HOOK_HELP)
@click.argument("hook")
@as_json
def send_test(hook: str, as_json: bool) -> None:
    """Send a hook.test event to a webhook now, and print what to correct.

    The exit code is 1 if the webhook did not accept it.
    """
    result = deliveries.send_test(find_hook(hook).id, NO_REQUEST)
    if as_json:
        click.echo(to_json(asdict(result)))
        raise click.exceptions.Exit(0 if result.delivered else 1)
    if not result.delivered:
        raise click.ClickException(f"{result.message} {result.advice}")
    click.echo(f"The test event {result.event_id} was accepted. {result.message}")
