"""Routes to search, create, change, delete and restore users."""

from uuid import UUID

from gatehouse.account import user_administration
from gatehouse.admin.changes import CHANGE_ERRORS, UserResponse, build_change, describe_user
from gatehouse.admin.forms import UserSearch, UserSearchForm
from gatehouse.admin.schemas import ManagedUser, ManagedUserPage
from gatehouse.authorization import permissions
from gatehouse.authorization.errors import LastAdministrator
from gatehouse.core.errors import NotFound, PreconditionRequired
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.users import administration, managed_users, search
from gatehouse.users.administration_forms import NewUser, NewUserForm, UserUpdate, UserUpdateForm
from gatehouse.users.errors import (
    EmailTaken,
    RegistrationClosed,
    UserErased,
    UsernameTaken,
    UserNotDeleted,
)
from gatehouse.web import pagination
from gatehouse.web.idempotency import idempotent
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context

CURSOR = "admin users"

user_routes = Blueprint(
    "admin_users",
    __name__,
    url_prefix="/admin",
    description="Administration: users",
)


@user_routes.get("/users")
@rate_limit("admin")
@requires(permissions.USERS_READ)
@user_routes.arguments(UserSearch, location="query")
@user_routes.response(200, ManagedUserPage)
def search_users(caller: Administrator, query: UserSearchForm) -> dict[str, object]:
    """Search users, the newest first.

    Without the permission `users:contacts`, e-mail addresses and phone numbers are masked, and an
    e-mail address is found only if it is whole.
    """
    sees_contacts = permissions.USERS_CONTACTS in caller.scope.split()
    wanted = query.to_filter(whole_emails_only=not sees_contacts)
    after = pagination.decode_cursor(CURSOR, query.cursor)
    page = search.search_users(wanted, query.limit, after)
    items = [managed_users.serialize_user(row) for row in page.rows]
    return {
        "items": items if sees_contacts else [managed_users.mask_contacts(one) for one in items],
        "next_cursor": pagination.encode_cursor(CURSOR, page.next_position),
        "estimated_total": page.estimated_total,
    }


@user_routes.post("/users")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@user_routes.arguments(NewUser)
@idempotent()
@user_routes.response(201, ManagedUser)
@user_routes.errors(EmailTaken, UsernameTaken, RegistrationClosed)
def create_user(_caller: Administrator, form: NewUserForm) -> UserResponse:
    """Create a user, who gets an invitation to choose a password.

    The e-mail address is verified when the invitation is accepted.
    """
    user_id = user_administration.create_user(form, request_context())
    return describe_user(user_id)


@user_routes.get("/users/<uuid:user_id>")
@rate_limit("admin")
@requires(permissions.USERS_READ)
@user_routes.response(200, ManagedUser)
@user_routes.errors(NotFound)
def read_user(_caller: Administrator, user_id: UUID) -> UserResponse:
    """Read a user; the `ETag` names this version of it."""
    return describe_user(user_id)


@user_routes.patch("/users/<uuid:user_id>")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@user_routes.arguments(UserUpdate)
@user_routes.response(200, ManagedUser)
@user_routes.errors(*CHANGE_ERRORS, PreconditionRequired, EmailTaken, UsernameTaken)
@conditional
def update_user(_caller: Administrator, form: UserUpdateForm, user_id: UUID) -> UserResponse:
    """Change a user; needs `If-Match`, and null clears a field.

    A new e-mail address counts as verified: make sure that it is the user's. The previous one is
    notified, and can revert the change for 72 hours. A new phone number is unverified.
    """
    change = build_change(user_id, needs_etag=True)
    user_administration.update_user(change, form.fields)
    return describe_user(user_id)


@user_routes.delete("/users/<uuid:user_id>")
@rate_limit("admin")
@requires(permissions.USERS_DELETE)
@user_routes.response(204)
@user_routes.errors(*CHANGE_ERRORS, PreconditionRequired, LastAdministrator)
@conditional
def delete_user(_caller: Administrator, user_id: UUID) -> None:
    """Delete a user; needs `If-Match`.

    The user is disabled at once. Until `erased_after` the user can be restored, and the e-mail
    address and username stay reserved; then the data is erased.
    """
    administration.delete_user(build_change(user_id, needs_etag=True))


@user_routes.post("/users/<uuid:user_id>/restore")
@rate_limit("admin")
@requires(permissions.USERS_DELETE)
@user_routes.response(200, ManagedUser)
@user_routes.errors(*CHANGE_ERRORS, UserNotDeleted, UserErased)
@conditional
def restore_user(_caller: Administrator, user_id: UUID) -> UserResponse:
    """Restore a deleted user; a user who was disabled before stays disabled."""
    administration.restore_user(build_change(user_id))
    return describe_user(user_id)
