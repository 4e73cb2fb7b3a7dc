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
