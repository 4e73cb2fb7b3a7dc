"""`gatehouse docs`: build the generated pages of `docs/`, and check that they are current."""

from collections.abc import Callable
from pathlib import Path

import click
from flask.cli import AppGroup

import config
from gatehouse.cli.reference import (
    commands,
    errors,
    events,
    postman,
    role_matrix,
    settings,
    webhook_events,
)

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings.render_page,
    "errors.md": errors.render_page,
    "events.md": events.render_page,
    "command-line.md": commands.render_page,
    "role-matrix.md": role_matrix.render_page,
    "webhook-events.md": webhook_events.render_page,
    "postman.json": postman.render_page,
}

docs = AppGroup("docs", help="The generated pages of docs/.")
folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=config.ROOT / "docs",
    help="Folder of the pages, docs/ by default.",
)


@docs.command("build")
@folder_option
def build_pages(folder: Path) -> None:
    """Write the generated pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
        click.echo(f"Wrote {folder / name}.")


@docs.command("check")
@folder_option
def check_pages(folder: Path) -> None:
    """List the generated pages that differ from the code; fail if there are any."""
    stale = [name for name, page in PAGES.items() if _read_existing(folder / name) != page()]
    if stale:
        raise click.ClickException(f"Not current: {', '.join(stale)}. Run: gatehouse docs build")
    click.echo("The generated pages are current.")


def _read_existing(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""
