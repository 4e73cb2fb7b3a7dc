"""`flask risk`: what another policy of adaptive login would have done."""

import re
from collections import Counter
from datetime import datetime, timedelta

import click

from gatehouse.cli.database_group import Group
from gatehouse.core import clock
from gatehouse.risk import engine, replay
from gatehouse.risk.policy import Decision
from gatehouse.risk.replay import Outcome

risk = Group("risk", help="Adaptive login: what a policy decides.")
SPAN = re.compile(r"([1-9]\d{0,3})([dh])")


def _span(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    """Read a span such as 30d or 12h."""
    found = SPAN.fullmatch(value)
    if not found:
        raise click.BadParameter("must be days or hours, such as 30d or 12h")
    number = int(found[1])
    return timedelta(days=number) if found[2] == "d" else timedelta(hours=number)


@risk.command("replay")
@click.option("--since", default="30d", show_default=True, callback=_span, help="How far back.")
@click.option("--policy", required=True, help="The policy to try, a TOML file.")
def replay_logins(since: timedelta, policy: str) -> None:
    """Show what another policy would have done with the recorded logins.

    Nothing is changed. Both policies see the same: what was recorded, and today's GeoIP file and
    list of bad networks.
    """
    tried = engine.policy_of(policy, policy)
    begin = clock.now() - since
    counts: Counter[tuple[Decision, Decision]] = Counter()
    changed: list[Outcome] = []
    for outcome in replay.replay(engine.in_force(), tried, begin):
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
        click.echo(f"{decision.word:<18} {before:>9} {after:>9}")


def _show_changes(changed: list[Outcome]) -> None:
    if not changed:
        click.echo("\nNothing would have been decided otherwise.")
        return
    click.echo(f"\nDecided otherwise: {len(changed)}.")
    for outcome in changed:
        change = f"{outcome.before.word} -> {outcome.after.word}"
        click.echo(f"\n{outcome.at:%Y-%m-%d %H:%M} UTC  {outcome.user_id}  {change}")
        for name, sentence in outcome.reasons.items():
            click.echo(f"  {name}: {sentence}")
