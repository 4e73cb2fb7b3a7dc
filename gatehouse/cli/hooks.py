"""`gatehouse hooks`: webhooks and blocking hooks, as the operators' API has them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import click
from sqlalchemy import select

from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, confirmed
from gatehouse.cli.output import commit_deletion, to_json, to_lines
from gatehouse.cli.pages import PageOptions, echo_next_page, paged, to_json_page
from gatehouse.database.session import db
from gatehouse.hooks import definitions
from gatehouse.hooks.definitions import CreatedSecret, HookChange
from gatehouse.hooks.kinds import KINDS, MAX_TIMEOUT, MIN_TIMEOUT, ON_FAILURE
from gatehouse.web.request_context import NO_REQUEST
from models import Hook

hooks = DatabaseGroup("hooks", help="Webhooks and blocking hooks.")
HOOK_HELP = "HOOK is the name or id of a hook."
DEFAULT_MINUTES = definitions.DEFAULT_OVERLAP // timedelta(minutes=1)
OVERLAP = click.IntRange(0, definitions.MAX_OVERLAP // timedelta(minutes=1))
events = click.option("--event", "events", multiple=True, help="A webhook's; * is all; repeatable.")
on_failure = click.option(
    "--on-failure", type=click.Choice(ON_FAILURE), help="If a blocking hook does not answer."
)
timeout = click.option(
    "--timeout-ms", type=click.IntRange(MIN_TIMEOUT, MAX_TIMEOUT), help="Of a blocking hook."
)


@hooks.command("list")
@paged("hooks")
@as_json
def list_hooks(page: PageOptions, as_json: bool) -> None:
    """List the hooks, the newest first."""
    rows, following = definitions.list_hooks(page.limit, page.after)
    next_cursor = page.encode_cursor(following)
    if as_json:
        click.echo(to_json_page([definitions.serialize_hook(row) for row in rows], next_cursor))
        return
    for row in rows:
        state = "disabled " if not row.enabled else "paused " if row.paused_at else ""
        click.echo(f"{row.name:24} {row.kind:20} {state}{row.url}")
    echo_next_page(next_cursor)


@hooks.command("show", epilog=HOOK_HELP)
@click.argument("hook")
@as_json
def show_hook(hook: str, as_json: bool) -> None:
    """Show a hook, without its secret."""
    item = definitions.serialize_hook(find_hook(hook))
    click.echo(to_json(item) if as_json else "\n".join(to_lines(item)))


@hooks.command("create")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.argument("url")
@events
@on_failure
@timeout
@as_json
def create_hook(kind: str, events: tuple[str, ...], as_json: bool, **fields: Any) -> None:
    """Create a hook, and print the secret of its signatures."""
    change = HookChange(events=events or None, **fields)
    _commit_and_show_secret(definitions.create_hook(kind, change, NO_REQUEST), as_json)


@hooks.command("change", epilog=HOOK_HELP)
@click.argument("hook")
@click.option("--name")
@click.option("--url")
@events
@on_failure
@timeout
@click.option("--enable/--disable", "enabled", default=None, help="--enable also ends a pause.")
@as_json
def change_hook(hook: str, events: tuple[str, ...], as_json: bool, **fields: Any) -> None:
    """Change a hook; --event replaces all its events."""
    change = HookChange(events=events or None, **fields)
    changed = definitions.change_hook(find_hook(hook).id, change, NO_REQUEST)
    db.session.commit()
    item = definitions.serialize_hook(changed)
    click.echo(to_json(item) if as_json else f"The hook {changed.name} is changed.")


@hooks.command("delete", epilog=HOOK_HELP)
@click.argument("hook")
@confirmed("Delete the hook? Nothing is sent to it any more.")
@as_json
def delete_hook(hook: str, as_json: bool) -> None:
    """Delete a hook; --json prints nothing."""
    definitions.delete_hook(find_hook(hook).id, NO_REQUEST)
    commit_deletion(f"The hook {hook} is deleted.", as_json)


@hooks.command("rotate-secret", epilog=HOOK_HELP)
@click.argument("hook")
@click.option("--overlap-minutes", type=OVERLAP, default=DEFAULT_MINUTES, show_default=True)
@as_json
def rotate_secret(hook: str, overlap_minutes: int, as_json: bool) -> None:
    """Replace the secret of a hook, and print the new one."""
    overlap = timedelta(minutes=overlap_minutes)
    rotated = definitions.rotate_secret(find_hook(hook).id, overlap, NO_REQUEST)
    _commit_and_show_secret(rotated, as_json)


def find_hook(name_or_id: str) -> Hook:
    """Return a hook by its name or id.

    Raises:
        ClickException: there is none.
    """
    try:
        named = Hook.id == UUID(name_or_id)
    except ValueError:
        named = Hook.name == name_or_id
    hook = db.session.scalar(select(Hook).where(named))
    if hook is None:
        raise click.ClickException(f"There is no hook {name_or_id}.")
    return hook


def _commit_and_show_secret(created: CreatedSecret, as_json: bool) -> None:
    """Commit a new secret and print it, the only time that it is shown."""
    db.session.commit()
    if as_json:
        click.echo(to_json(definitions.serialize_hook(created.row) | {"secret": created.secret}))
        return
    click.echo(f"This is the only time that the secret is shown:\n\n  {created.secret}\n")
    click.echo(f"The hook {created.row.name} has the id {created.row.id}.")
