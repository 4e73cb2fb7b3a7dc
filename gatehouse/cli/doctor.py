"""`gatehouse doctor`: check the settings, the database and all services that Gatehouse uses."""

import click
from flask.cli import AppGroup, with_appcontext

from gatehouse.cli.diagnosis.check import FAILED, Result
from gatehouse.cli.diagnosis.checks import run_checks
from gatehouse.cli.diagnosis.mail import send_test_mail
from gatehouse.cli.diagnosis.proxy import check_proxy
from gatehouse.cli.options import as_json
from gatehouse.cli.output import to_json


@click.group("doctor", cls=AppGroup, invoke_without_command=True)
@as_json
@click.pass_context
@with_appcontext
def doctor(context: click.Context, as_json: bool) -> None:
    """Check everything that Gatehouse needs, and name the requirement behind each finding.

    The exit status is 1 if a check failed; warnings do not fail.
    """
    if context.invoked_subcommand:
        return
    results = list(run_checks())
    if as_json:
        click.echo(to_json([result.to_json() for result in results]))
    else:
        for result in results:
            _print_result(result)
    if any(result.status == FAILED for result in results):
        context.exit(1)


doctor.add_command(check_proxy)
doctor.add_command(send_test_mail)


def _print_result(result: Result) -> None:
    click.echo(f"{result.status:<8} {result.check:<13} {result.requirement}")
    for finding in result.findings:
        click.echo(f"         {'note: ' if finding.is_warning else ''}{finding.sentence}")
