"""Errors of authorization."""

from gatehouse.audit.administration_events import Authorization
from gatehouse.core.errors import ApiError


class Forbidden(ApiError):
    """You are signed in, but you do not have the permission that this needs."""

    status = 403
    code = "forbidden"
    event = Authorization.DENIED
    next = "Ask an administrator for a role with this permission."


class TargetHasMorePermissions(Forbidden):
    """This user has permissions that you do not have, so you cannot change their account."""

    next = "Ask an administrator who has all permissions of this user."


class GrantExceedsOwnPermissions(Forbidden):
    """This would grant or take away a permission that you do not have, or not for as long."""

    next = "Ask an administrator who has all permissions of the role, without an expiry."


class OwnRoleExtended(Forbidden):
    """You cannot give yourself a role, nor make one that you have contain another one."""

    next = "Ask an administrator with the role admin."


class LastAdministrator(ApiError):
    """This is the last active administrator, so they must keep the role `admin`, without an end."""

    status = 409
    code = "last_administrator"
    next = "Give another verified user the role admin, without an expiry; then try again."


class TooManyPermissions(ApiError):
    """With these permissions an access token would be larger than 3,500 bytes."""

    status = 422
    code = "too_many_permissions"
    next = "Grant fewer permissions, or give permissions of other applications their own audience."


class RoleExists(ApiError):
    """There is a role of this name."""

    status = 409
    code = "role_exists"
    next = "Choose another name."


class PermissionExists(ApiError):
    """There is a permission of this name."""

    status = 409
    code = "permission_exists"
    next = "Choose another name."


class BuiltIn(ApiError):
    """This role or permission is built in, so it cannot be changed or deleted."""

    status = 409
    code = "built_in"
    next = "Create a role of your own that contains it."
