"""What the routes that change users share: the change they ask for, and the user it leads to."""

from uuid import UUID

from flask import request

from gatehouse.authorization.errors import TargetHasMorePermissions
from gatehouse.core.errors import NotFound, PreconditionFailed, PreconditionRequired
from gatehouse.users import managed_users
from gatehouse.users.administration import UserChange
from gatehouse.users.errors import UserDeleted
from gatehouse.web.etags import read_if_match, with_etag
from gatehouse.web.request_context import request_context

CHANGE_ERRORS = (NotFound, PreconditionFailed, TargetHasMorePermissions, UserDeleted)

UserResponse = tuple[dict[str, object], dict[str, str]]
"""A user (the schema `ManagedUser`), and the headers of the response."""


def build_change(
    user_id: UUID, reason: str | None = None, *, needs_etag: bool = False
) -> UserChange:
    """Return the change of a user that the request asks for, with the versions in `If-Match`.

    Raises:
        PreconditionRequired: the request has no `If-Match`, and needs it (RFC 6585 section 3).
    """
    if needs_etag and not request.headers.get("If-Match"):
        raise PreconditionRequired
    return UserChange(user_id, request_context(), read_if_match(), reason)


def describe_user(user_id: UUID) -> UserResponse:
    """Return a user, and the `ETag` of this version."""
    return with_etag(managed_users.get_managed_user(user_id))
