"""Lists at the command line: a page of items, and the cursor of the next one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps

import click

from gatehouse.cli.output import to_json
from gatehouse.database.pages import Position
from gatehouse.web import pagination

Command = Callable[..., None]


@dataclass(frozen=True)
class PageOptions:
    """Which page of a list to print."""

    list_name: str
    limit: int
    after: Position | None
    """Where the page begins; None for the first one."""

    def encode_cursor(self, following: Position | None) -> str | None:
        """Return the cursor of the next page; None if there is none."""
        return pagination.encode_cursor(self.list_name, following)


def paged(list_name: str) -> Callable[[Command], Command]:
    """Add `--limit` and `--cursor` to a command, which gets them as `page`."""

    def decorate(command: Command) -> Command:
        @click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
        @click.option("--cursor", help="Of the next page, as the previous one printed it.")
        @wraps(command)
        def run(limit: int, cursor: str | None, **options: object) -> None:
            after = pagination.decode_cursor(list_name, cursor)
            command(page=PageOptions(list_name, limit, after), **options)

        return run

    return decorate


def to_json_page(items: Sequence[object], next_cursor: str | None = None, **members: object) -> str:
    """Return a page as JSON, with the members of the operators' API."""
    return to_json({"items": items, "next_cursor": next_cursor, **members})


def echo_next_page(next_cursor: str | None) -> None:
    """Print how to read on, if there is more."""
    if next_cursor:
        click.echo(f"There are more: repeat it with --cursor {next_cursor}")
