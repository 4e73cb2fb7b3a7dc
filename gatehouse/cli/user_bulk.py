"""`gatehouse users bulk`: one operation on many users, as `POST /admin/users/bulk` does it."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

import click

from gatehouse.account import bulk_administration
from gatehouse.account.bulk_administration import OPERATIONS, BulkChange, Result, Target
from gatehouse.cli.options import as_json, parse_end, reason_option
from gatehouse.cli.output import to_json
from gatehouse.cli.user_lookup import IDENTIFIER_HELP, find_user_id, user_command
from gatehouse.web.request_context import NO_REQUEST

DRY_RUN_BATCH = 100
"""Users of a dry run that are changed together, before the changes are rolled back."""


@user_command("bulk", short_help="Change many users at once.", epilog=IDENTIFIER_HELP)
@click.argument("operation", type=click.Choice(list(OPERATIONS)))
@click.argument("identifiers", nargs=-1)
@click.option("--file", type=click.File(), help="Read more of them from here, one a line.")
@reason_option
@click.option("--until", callback=parse_end, help="When disable or assign-role ends (UTC).")
@click.option("--role", default="", help="The role to assign or unassign.")
@click.option("--dry-run", is_flag=True, help="Report the results, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def change_users(
    operation: str, identifiers: tuple[str, ...], file: TextIO | None, **options: Any
) -> None:
    """Do the same OPERATION on each of the users named by IDENTIFIERS.

    Each user is changed independently of the others; an error at one of them is reported at the
    end, and makes the exit code 1. If a name has no account, nothing is changed.
    """
    needed = {name: options[name] for name in ("reason", "until", "role")}
    bulk, dry_run = BulkChange(operation, NO_REQUEST, **needed), options["dry_run"]
    _require_options(bulk)
    targets = _find_targets([*identifiers, *_read_lines(file)])
    if not (options["yes"] or dry_run):
        click.confirm(f"{operation}: {len(targets)} users. Continue?", abort=True)
    run = _rehearse if dry_run else bulk_administration.change_each
    with click.progressbar(run(bulk, targets), length=len(targets), file=sys.stderr) as progress:
        results = list(progress)
    _report(results, dry_run, options["as_json"])


def _require_options(bulk: BulkChange) -> None:
    """Require the options of the operation, and reject those that it does not take."""
    operation = OPERATIONS[bulk.operation]
    given = {name for name in ("reason", "until", "role") if getattr(bulk, name)}
    for name in sorted(operation.required - given):
        raise click.UsageError(f"{bulk.operation} needs --{name}.")
    for name in sorted(given - operation.required - operation.optional):
        raise click.UsageError(f"{bulk.operation} does not take --{name}.")


def _read_lines(file: TextIO | None) -> list[str]:
    return [line.strip() for line in file or () if line.strip()]


def _find_targets(identifiers: Sequence[str]) -> list[Target]:
    """Return the users, each once."""
    if not identifiers:
        raise click.UsageError("Name the users, or the --file that names them.")
    ids = dict.fromkeys(find_user_id(identifier) for identifier in identifiers)
    return [Target(user_id) for user_id in ids]


def _rehearse(bulk: BulkChange, targets: Sequence[Target]) -> Iterator[Result]:
    for start in range(0, len(targets), DRY_RUN_BATCH):
        yield from bulk_administration.rehearse(bulk, targets[start : start + DRY_RUN_BATCH])


def _report(results: Sequence[Result], dry_run: bool, as_json: bool) -> None:
    """Print the results; exit with 1 if there is an error."""
    failed = [result for result in results if result.error]
    if as_json:
        click.echo(to_json(bulk_administration.serialize_results(results, dry_run)))
    else:
        for result in failed:
            click.echo(f"{result.user_id}  {result.error}")
        would = "would be" if dry_run else "are"
        click.echo(f"{len(results) - len(failed)} of {len(results)} users {would} changed.")
    if failed:
        raise click.exceptions.Exit(1)
