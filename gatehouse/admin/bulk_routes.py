"""Route: one operation on many users, with a result for each."""

from datetime import timedelta
from functools import partial

from gatehouse.account import bulk_administration
from gatehouse.account.bulk_administration import OPERATIONS
from gatehouse.admin.bulk_forms import BulkOutcome, BulkUsers, BulkUsersForm
from gatehouse.authorization import permissions
from gatehouse.database.session import commit_alone
from gatehouse.service_accounts.errors import PersonRequired
from gatehouse.sessions.guards import Administrator, require_further_permission, requires
from gatehouse.web import idempotency
from gatehouse.web.idempotency import idempotent_parts
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context

TIME_LIMIT = timedelta(seconds=20)
"""Proxies commonly wait for 30 seconds."""
BODY = "body"
"""A part that has no effect: its key says that another body is another request."""

bulk_routes = Blueprint(
    "admin_bulk",
    __name__,
    url_prefix="/admin",
    description="Administration: many users at once",
)


@bulk_routes.post("/users/bulk")
@rate_limit("admin")
@requires(permissions.USERS_READ)
@bulk_routes.arguments(BulkUsers)
@idempotent_parts
@bulk_routes.response(200, BulkOutcome)
@bulk_routes.errors(PersonRequired)
def change_users(caller: Administrator, form: BulkUsersForm) -> dict[str, object]:
    """Change up to 100 users: one operation, with a result for each of them.

    Besides `users:read` it needs the permission of the operation on a single user: `users:write`,
    for `delete` and `restore` `users:delete`, for roles `roles:write`. Each user is changed
    independently of the others, with the same checks and errors as alone. `dry_run` reports what
    would happen, and changes nothing. What is not done after 20 seconds fails as
    `service_unavailable`; a repeated request with the same `Idempotency-Key` continues there.
    """
    operation = OPERATIONS[form.operation]
    require_further_permission(caller, operation.permission, people_only=operation.people_only)
    change = form.to_change(request_context())
    if form.dry_run:
        rehearsed = bulk_administration.rehearse(change, form.users)
        return bulk_administration.serialize_results(rehearsed, dry_run=True)
    run_once = partial(idempotency.run_part_once, caller)
    commit_alone(partial(run_once, BODY, lambda: None))
    results = bulk_administration.change_each(change, form.users, run_once, TIME_LIMIT)
    return bulk_administration.serialize_results(list(results), dry_run=False)
