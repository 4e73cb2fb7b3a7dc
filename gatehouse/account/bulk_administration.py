"""One operation on many users, by an administrator or at the command line, with a result for each.

Every user is changed in a transaction of their own, by the service that changes a single one: an
error at one of them leaves the others as they are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from gatehouse.account import user_administration
from gatehouse.audit.error_follow_up import follow_up
from gatehouse.authorization import assignments, permissions
from gatehouse.authorization.assignments import Assignment
from gatehouse.core import clock
from gatehouse.core.errors import ApiError, ServiceUnavailable
from gatehouse.database.session import commit_alone, db, write_transaction
from gatehouse.mfa import reset
from gatehouse.sessions import service as sessions
from gatehouse.users import administration
from gatehouse.users.administration import UserChange, changing_user
from gatehouse.web.request_context import RequestContext

Effect = Callable[[], object]
RunOnce = Callable[[str, Effect], object]
"""Runs the effect on the user of an id, unless the same request had it before."""


@dataclass(frozen=True)
class BulkChange:
    """An operation (a key of `OPERATIONS`), and what it needs besides the users."""

    operation: str
    context: RequestContext
    reason: str | None = None
    until: datetime | None = None
    """The end of `disable` or `assign-role`."""
    role: str = ""


@dataclass(frozen=True)
class Target:
    """A user to change."""

    user_id: UUID
    etag: str | None = None
    """The version that the administrator saw; None if the change applies to any version."""


@dataclass(frozen=True)
class Result:
    """What became of a user; without an error the operation succeeded."""

    user_id: UUID
    error: ApiError | None = None


@dataclass(frozen=True)
class Operation:
    """How one user is changed, the permission that it needs, and the members that it takes."""

    apply: Callable[[UserChange, BulkChange], object]
    permission: str = permissions.USERS_WRITE
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset({"reason"})
    people_only: bool = False
    """Whether API keys may not do it, as in the route for a single user."""


def _assign_role(change: UserChange, bulk: BulkChange) -> None:
    with changing_user(change):
        wanted = Assignment(bulk.role, bulk.until, bulk.reason)
        assignments.assign(change.user_id, wanted, change.context)


def _unassign_role(change: UserChange, bulk: BulkChange) -> None:
    with changing_user(change):
        assignments.unassign(change.user_id, bulk.role, change.context)


OPERATIONS: dict[str, Operation] = {
    "disable": Operation(
        lambda change, bulk: administration.disable_user(change, bulk.until),
        required=frozenset({"reason"}),
        optional=frozenset({"until"}),
    ),
    "enable": Operation(lambda change, _: administration.enable_user(change)),
    "unlock": Operation(lambda change, _: user_administration.unlock_user(change)),
    "verify-email": Operation(lambda change, _: administration.verify_email(change)),
    "reset-password": Operation(lambda change, _: user_administration.require_new_password(change)),
    "revoke-sessions": Operation(lambda change, _: sessions.end_sessions_by_administrator(change)),
    "reset-mfa": Operation(lambda change, _: reset.schedule_by_operator(change), people_only=True),
    "delete": Operation(
        lambda change, _: administration.delete_user(change), permissions.USERS_DELETE
    ),
    "restore": Operation(
        lambda change, _: administration.restore_user(change), permissions.USERS_DELETE
    ),
    "assign-role": Operation(
        _assign_role,
        permissions.ROLES_WRITE,
        required=frozenset({"role"}),
        optional=frozenset({"reason", "until"}),
    ),
    "unassign-role": Operation(
        _unassign_role, permissions.ROLES_WRITE, frozenset({"role"}), frozenset()
    ),
}
"""By name; that of the route, where there is one for a single user."""


def _run(_user_id: str, effect: Effect) -> None:
    effect()


def change_each(
    bulk: BulkChange,
    targets: Iterable[Target],
    run_once: RunOnce = _run,
    time_limit: timedelta = timedelta.max,
) -> Iterator[Result]:
    """Change one user after the other, each in a transaction of their own.

    After the time limit, what is left fails as `ServiceUnavailable`: it can be sent again.
    """
    begun_at = clock.uptime()
    for target in targets:
        if clock.uptime() - begun_at > time_limit:
            yield Result(target.user_id, ServiceUnavailable())
            continue
        yield _change(bulk, target, run_once)


def rehearse(bulk: BulkChange, targets: Iterable[Target]) -> list[Result]:
    """Return the results that `change_each` would have, and change nothing.

    All users are changed in one transaction, which is rolled back: as in a real run, the second of
    the last two administrators cannot be disabled.
    """
    with write_transaction():
        results = [_try_change(bulk, target) for target in targets]
    db.session.rollback()
    for result in results:
        if result.error:
            follow_up(result.error, bulk.context)
    return results


def serialize_results(results: Sequence[Result], dry_run: bool) -> dict[str, object]:
    """Return the results as `BulkOutcome`."""
    failed = sum(result.error is not None for result in results)
    items = [_serialize_result(result) for result in results]
    counts = {"succeeded": len(results) - failed, "failed": failed}
    return {"dry_run": dry_run, **counts, "items": items}


def _serialize_result(result: Result) -> dict[str, object]:
    error = result.error
    return {
        "id": str(result.user_id),
        "outcome": "failure" if error else "success",
        "code": error.code if error else None,
        "detail": str(error) if error else None,
        "next": error.next if error else None,
    }


def _change(bulk: BulkChange, target: Target, run_once: RunOnce) -> Result:
    try:
        commit_alone(lambda: run_once(str(target.user_id), lambda: _apply(bulk, target)))
    except ApiError as error:
        follow_up(error, bulk.context)
        return Result(target.user_id, error)
    return Result(target.user_id)


def _try_change(bulk: BulkChange, target: Target) -> Result:
    try:
        with db.session.begin_nested():
            _apply(bulk, target)
    except ApiError as error:
        return Result(target.user_id, error)
    return Result(target.user_id)


def _apply(bulk: BulkChange, target: Target) -> None:
    etags = None if target.etag is None else frozenset({target.etag})
    change = UserChange(target.user_id, bulk.context, etags, bulk.reason)
    OPERATIONS[bulk.operation].apply(change, bulk)
