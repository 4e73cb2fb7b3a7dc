"""Routes that act on users: disable, unlock, end sessions, reset a password or the factors."""

from typing import Any
from uuid import UUID

from gatehouse.account import user_administration
from gatehouse.admin.changes import CHANGE_ERRORS, UserResponse, build_change, describe_user
from gatehouse.admin.forms import (
    DisableUser,
    DisableUserForm,
    Reason,
    ReasonForm,
    RevokeSessions,
    RevokeSessionsForm,
)
from gatehouse.admin.schemas import ManagedUser, UserMfaReset
from gatehouse.authorization import permissions
from gatehouse.authorization.errors import LastAdministrator
from gatehouse.lockout import service as lockout
from gatehouse.mfa import reset
from gatehouse.mfa.errors import NoSecondFactor, ResetScheduled
from gatehouse.sessions import service as sessions
from gatehouse.sessions.guards import requires
from gatehouse.tokens.service import AccessToken
from gatehouse.users import administration
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import conditional
from gatehouse.web.rate_limits import rate_limit

routes = Blueprint(
    "admin_user_actions",
    __name__,
    url_prefix="/admin",
    description="Administration: act on users",
)


@routes.post("/users/<uuid:user_id>/disable")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@routes.arguments(DisableUser)
@routes.response(200, ManagedUser)
@routes.errors(*CHANGE_ERRORS, LastAdministrator)
@conditional
def disable_user(_caller: AccessToken, form: DisableUserForm, user_id: UUID) -> UserResponse:
    """Disable a user; sessions, tokens, codes and links end within a second, everywhere."""
    administration.disable_user(build_change(user_id, form.reason), form.until)
    return describe_user(user_id)


@routes.post("/users/<uuid:user_id>/enable")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@routes.arguments(Reason, required=False)
@routes.response(200, ManagedUser)
@routes.errors(*CHANGE_ERRORS)
@conditional
def enable_user(_caller: AccessToken, form: ReasonForm, user_id: UUID) -> UserResponse:
    """Enable a disabled user, who has to log in again."""
    administration.enable_user(build_change(user_id, form.reason))
    return describe_user(user_id)


@routes.post("/users/<uuid:user_id>/unlock")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@routes.arguments(Reason, required=False)
@routes.response(200, ManagedUser)
@routes.errors(*CHANGE_ERRORS)
@conditional
def unlock_user(_caller: AccessToken, form: ReasonForm, user_id: UUID) -> UserResponse:
    """Reset the failed attempts of a user, who can try again at once.

    Networks with many failed attempts stay blocked, for an hour at most.
    """
    change = build_change(user_id, form.reason)
    with administration.changing_user(change):
        lockout.unlock(user_id, change.context, reason=change.reason)
    return describe_user(user_id)


@routes.post("/users/<uuid:user_id>/verify-email")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@routes.arguments(Reason, required=False)
@routes.response(200, ManagedUser)
@routes.errors(*CHANGE_ERRORS)
@conditional
def verify_user_email(_caller: AccessToken, form: ReasonForm, user_id: UUID) -> UserResponse:
    """Declare the e-mail address of a user to be verified: make sure that it is the user's."""
    administration.verify_email(build_change(user_id, form.reason))
    return describe_user(user_id)


@routes.post("/users/<uuid:user_id>/reset-password")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@routes.arguments(Reason, required=False)
@routes.response(200, ManagedUser)
@routes.errors(*CHANGE_ERRORS)
@conditional
def require_new_password(_caller: AccessToken, form: ReasonForm, user_id: UUID) -> UserResponse:
    """Require a new password: the user gets a link for it, and all sessions end.

    The current password does not work any more. Only the user ever sees the new one.
    """
    user_administration.require_new_password(build_change(user_id, form.reason))
    return describe_user(user_id)


@routes.post("/users/<uuid:user_id>/revoke-sessions")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@routes.arguments(RevokeSessions, required=False)
@routes.response(204)
@routes.errors(*CHANGE_ERRORS)
@conditional
def revoke_user_sessions(_caller: AccessToken, form: RevokeSessionsForm, user_id: UUID) -> None:
    """End one session of a user, or all of them; their tokens are rejected within a second."""
    sessions.end_sessions_by_administrator(build_change(user_id, form.reason), form.session_id)


@routes.post("/users/<uuid:user_id>/reset-mfa")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@routes.arguments(Reason, required=False)
@routes.response(202, UserMfaReset)
@routes.errors(*CHANGE_ERRORS, NoSecondFactor, ResetScheduled)
@conditional
def reset_user_mfa(_caller: AccessToken, form: ReasonForm, user_id: UUID) -> dict[str, Any]:
    """Schedule the removal of all second factors of a user.

    The user is notified at every address and number, and can cancel it until it is due.
    """
    return {"due_at": reset.schedule_by_operator(build_change(user_id, form.reason))}
