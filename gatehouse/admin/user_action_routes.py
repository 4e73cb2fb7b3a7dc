"""Routes that act on users: disable, unlock, end sessions, reset a password or the factors."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from gatehouse.account import user_administration
from gatehouse.admin.changes import CHANGE_ERRORS, UserResponse, build_change, describe_user
from gatehouse.admin.forms import (
    DisableUser,
    DisableUserForm,
    Impersonate,
    ImpersonateForm,
    Reason,
    ReasonForm,
    RevokeSessions,
    RevokeSessionsForm,
)
from gatehouse.admin.schemas import ImpersonationResponse, ManagedUser, UserMfaReset
from gatehouse.authorization import permissions
from gatehouse.authorization.errors import LastAdministrator
from gatehouse.core.errors import ApiError
from gatehouse.mfa import reset
from gatehouse.mfa.errors import NoSecondFactor, ResetScheduled
from gatehouse.sessions import impersonation
from gatehouse.sessions import service as sessions
from gatehouse.sessions.errors import UserNotActive
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.sessions.impersonation import Impersonation
from gatehouse.tokens.service import AccessToken
from gatehouse.users import administration
from gatehouse.web.fields import Form
from gatehouse.web.openapi import Blueprint, Decorator
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit

Route = TypeVar("Route", bound=Callable[..., object])
user_action_routes = Blueprint(
    "admin_user_actions",
    __name__,
    url_prefix="/admin",
    description="Administration: act on users",
)


def _user_action(
    name: str,
    schema: type[Form] = Reason,
    *,
    people_only: bool = False,
    errors: tuple[type[ApiError], ...] = (),
) -> Decorator:
    """Register a route that changes a user."""
    needs_body = any(field.required for field in schema().fields.values())

    def register(route: Route) -> Route:
        view = user_action_routes.errors(*CHANGE_ERRORS, *errors)(conditional(route))
        view = user_action_routes.arguments(schema, required=needs_body)(view)
        guard = requires(permissions.USERS_WRITE, people_only=people_only)
        view = rate_limit("admin")(guard(view))
        return user_action_routes.post(f"/users/<uuid:user_id>/{name}")(view)

    return register


@_user_action("disable", DisableUser, errors=(LastAdministrator,))
@user_action_routes.response(200, ManagedUser)
def disable_user(_caller: Administrator, form: DisableUserForm, user_id: UUID) -> UserResponse:
    """Disable a user; sessions, tokens, codes and links end within a second, everywhere."""
    administration.disable_user(build_change(user_id, form.reason), form.until)
    return describe_user(user_id)


@_user_action("enable")
@user_action_routes.response(200, ManagedUser)
def enable_user(_caller: Administrator, form: ReasonForm, user_id: UUID) -> UserResponse:
    """Enable a disabled user, who has to log in again."""
    administration.enable_user(build_change(user_id, form.reason))
    return describe_user(user_id)


@_user_action("unlock")
@user_action_routes.response(200, ManagedUser)
def unlock_user(_caller: Administrator, form: ReasonForm, user_id: UUID) -> UserResponse:
    """Reset the failed attempts of a user, who can try again at once.

    Networks with many failed attempts stay blocked, for an hour at most.
    """
    user_administration.unlock_user(build_change(user_id, form.reason))
    return describe_user(user_id)


@_user_action("verify-email")
@user_action_routes.response(200, ManagedUser)
def verify_user_email(_caller: Administrator, form: ReasonForm, user_id: UUID) -> UserResponse:
    """Declare the e-mail address of a user to be verified: make sure that it is the user's."""
    administration.verify_email(build_change(user_id, form.reason))
    return describe_user(user_id)


@_user_action("reset-password")
@user_action_routes.response(200, ManagedUser)
def require_new_password(_caller: Administrator, form: ReasonForm, user_id: UUID) -> UserResponse:
    """Require a new password: the user gets a link for it, and all sessions end.

    The current password does not work any more. Only the user ever sees the new one.
    """
    user_administration.require_new_password(build_change(user_id, form.reason))
    return describe_user(user_id)


@_user_action("revoke-sessions", RevokeSessions)
@user_action_routes.response(204)
def revoke_user_sessions(_caller: Administrator, form: RevokeSessionsForm, user_id: UUID) -> None:
    """End one session of a user, or all of them; their tokens are rejected within a second."""
    sessions.end_sessions_by_administrator(build_change(user_id, form.reason), form.session_id)


@_user_action("reset-mfa", people_only=True, errors=(NoSecondFactor, ResetScheduled))
@user_action_routes.response(202, UserMfaReset)
def reset_user_mfa(_caller: Administrator, form: ReasonForm, user_id: UUID) -> dict[str, object]:
    """Schedule the removal of all second factors of a user.

    The user is notified at every address and number, and can cancel it until it is due.
    """
    return {"due_at": reset.schedule_by_operator(build_change(user_id, form.reason))}


@user_action_routes.post("/users/<uuid:user_id>/impersonate")
@rate_limit("admin")
@requires(permissions.USERS_IMPERSONATE, people_only=True)
@user_action_routes.arguments(Impersonate)
@user_action_routes.response(200, ImpersonationResponse)
@user_action_routes.errors(*CHANGE_ERRORS, UserNotActive)
@conditional
def impersonate_user(caller: AccessToken, form: ImpersonateForm, user_id: UUID) -> Impersonation:
    """Act as a user: get an access token of theirs for 15 minutes at most.

    The user is notified, and sees and ends it in the list of their sessions. The claim `act` names
    you. Our own API lets you read, and change name and locale; what only the user may do is 403
    `impersonation_not_allowed`.
    """
    return impersonation.impersonate(build_change(user_id, form.reason), caller)
