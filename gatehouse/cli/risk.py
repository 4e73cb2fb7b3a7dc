"""`gatehouse risk`: try another risk policy on recorded logins."""

import re
from collections import Counter
from datetime import datetime, timedelta

import click

from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.core import clock
from gatehouse.risk import engine, replay
from gatehouse.risk.policy import Decision
from gatehouse.risk.replay import Outcome

risk = DatabaseGroup("risk", help="Adaptive login: try a risk policy.")
DURATION = re.compile(r"([1-9]\d{0,3})([dh])")


def _parse_duration(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    """Parse a duration such as 30d or 12h."""
    found = DURATION.fullmatch(value)
    if not found:
        raise click.BadParameter("must be days or hours, such as 30d or 12h")
    number = int(found[1])
    return timedelta(days=number) if found[2] == "d" else timedelta(hours=number)


@risk.command("replay")
@click.option(
    "--since", default="30d", show_default=True, callback=_parse_duration, help="How far back."
)
@click.option("--policy", required=True, help="The risk policy to try, a TOML file.")
def replay_logins(since: timedelta, policy: str) -> None:
    """Show what another risk policy would have decided about the recorded logins.

    Changes nothing. Both policies are evaluated on the recorded data, with the current GeoIP
    database and bad networks.
    """
    new_policy = engine.read_policy(policy, policy)
    begin = clock.now() - since
    counts: Counter[tuple[Decision, Decision]] = Counter()
    changed: list[Outcome] = []
    for outcome in replay.replay_logins(engine.current_engine(), new_policy, begin):
        counts[outcome.before, outcome.after] += 1
        if outcome.before is not outcome.after:
            changed.append(outcome)
    _show_counts(counts, begin)
    _show_changes(sorted(changed, key=lambda outcome: outcome.at))


def _show_counts(counts: Counter[tuple[Decision, Decision]], begin: datetime) -> None:
    click.echo(f"{counts.total()} logins since {begin:%Y-%m-%d %H:%M} UTC.\n")
    click.echo(f"{'decision':<18} {'in force':>9} {'tried':>9}")
    for decision in Decision:
        before = sum(count for (one, _), count in counts.items() if one is decision)
        after = sum(count for (_, other), count in counts.items() if other is decision)
        click.echo(f"{decision.policy_name:<18} {before:>9} {after:>9}")


def _show_changes(changed: list[Outcome]) -> None:
    if not changed:
        click.echo("\nEvery decision would have been the same.")
        return
    click.echo(f"\nDecided differently: {len(changed)}.")
    for outcome in changed:
        change = f"{outcome.before.policy_name} -> {outcome.after.policy_name}"
        click.echo(f"\n{outcome.at:%Y-%m-%d %H:%M} UTC  {outcome.user_id}  {change}")
        for name, sentence in outcome.reasons.items():
            click.echo(f"  {name}: {sentence}")
