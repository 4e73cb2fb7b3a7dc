"""The list of all checks of `gatehouse doctor`, and how they run."""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.cli.database_group import database_error
from gatehouse.cli.diagnosis import database, database_role, keys, machine, services
from gatehouse.cli.diagnosis.check import OK, WARNING, Check, Finding, Result
from gatehouse.database.session import db

CHECKS: tuple[Check, ...] = (
    Check("database", "CF-03", database.find_connection_problems),
    Check("migrations", "CF-03", database.find_migration_problems, needs="database"),
    Check("time limits", "CF-03", database_role.find_missing_time_limits, needs="database"),
    Check("rights", "CF-03", database.find_missing_rights, needs="migrations"),
    Check("secrets", "CF-02", keys.find_missing_secrets, needs="migrations"),
    Check("signing keys", "JW-10", keys.find_old_signing_keys, needs="migrations"),
    Check("clock", "JW-05", machine.find_clock_skew, needs="database"),
    Check("disk", "CF-03", machine.find_full_disks),
    Check("redis", "RL-10", services.find_redis_problems),
    Check("rate limits", "RL-05", services.find_disabled_limits),
    Check("mail", "CF-05", services.find_mail_problems),
)
"""In this order: a check comes after the one that it needs."""


def run_checks(checks: Sequence[Check] = CHECKS) -> Iterator[Result]:
    """Run the checks one after the other, and yield the result of each."""
    passed = {""}
    for check in checks:
        is_skipped = check.needs not in passed
        findings = () if is_skipped else tuple(_run(check))
        result = Result(check.name, check.requirement, findings, is_skipped)
        if result.status in (OK, WARNING):
            passed.add(check.name)
        yield result


def _run(check: Check) -> Iterable[Finding]:
    """Return the findings of a check; an error of the database is one."""
    try:
        return list(check.find())
    except SQLAlchemyError as problem:
        return [Finding(database_error(config.settings().database_url, problem).message)]
    finally:
        db.session.remove()
