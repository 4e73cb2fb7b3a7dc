"""`flask docs`: the pages of `docs/` that are generated, and whether they are current."""

from collections.abc import Callable
from pathlib import Path

import click
from flask.cli import AppGroup

import config
from gatehouse.cli.reference import errors, events, postman, settings

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings.page,
    "errors.md": errors.page,
    "events.md": events.page,
    "postman.json": postman.page,
}

docs = AppGroup("docs", help="The generated pages of docs/.")
in_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=config.ROOT / "docs",
    help="Where the pages are, docs/ by default.",
)


@docs.command("build")
@in_folder
def build(folder: Path) -> None:
    """Write the generated pages anew."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
        click.echo(f"{folder / name} is written.")


@docs.command("check")
@in_folder
def check(folder: Path) -> None:
    """Name the generated pages that are not what the code says; fail if there are any."""
    stale = [name for name, page in PAGES.items() if _kept(folder / name) != page()]
    if stale:
        raise click.ClickException(f"Not current: {', '.join(stale)}. Run: flask docs build")
    click.echo("The generated pages are current.")


def _kept(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""
