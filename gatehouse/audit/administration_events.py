"""Audit events of administration: see `events` for those of users."""

from gatehouse.audit.event import failure, success


class Authorization:
    """Permissions."""

    DENIED = failure(
        "authorization.denied", "A request was rejected: its user lacks the permission for it."
    )


class Administration:
    """What administrators and operators do with users; the actor says who, details.reason why."""

    CREATED = success("user.created", "A user was created, and invited to choose a password.")
    UPDATED = success("user.updated", "A user was changed; see details.fields.")
    DISABLED = success("user.disabled", "A user was disabled; sessions, codes and links ended.")
    ENABLED = success("user.enabled", "A user was enabled, or the time of disabling was over.")
    EMAIL_VERIFIED = success(
        "user.email_verified", "An e-mail address was declared to be verified."
    )
    PASSWORD_RESET = success(
        "user.password_reset", "A user must choose a new password, and got a link for it."
    )
    SESSIONS_ENDED = success("user.sessions_ended", "One or all sessions of a user were ended.")
    DELETED = success("user.deleted", "A user was deleted, and can be restored for a time.")
    RESTORED = success("user.restored", "A deleted user was restored.")
    ERASED = success("user.erased", "The data of a deleted user was erased; this log stays.")
    DATABASE_RESTORED = success(
        "database.restored", "A backup was restored; all sessions ended and all keys were replaced."
    )
