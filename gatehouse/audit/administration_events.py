"""Audit events of administration: see `events` for those of users."""

from gatehouse.audit.event import failure, success


class Authorization:
    """Roles and permissions."""

    DENIED = failure(
        "authorization.denied", "A request was rejected: its user lacks the permission for it."
    )
    ROLE_ASSIGNED = success(
        "role.assigned", "A role was assigned to a user, or its expiry or reason was changed."
    )
    ROLE_UNASSIGNED = success("role.unassigned", "A role was taken away from a user.")
    ROLE_CREATED = success("role.created", "A role was created.")
    ROLE_CHANGED = success("role.changed", "A role was changed; see details.")
    ROLE_DELETED = success("role.deleted", "A role was deleted, also for all who had it.")
    PERMISSION_CREATED = success("permission.created", "A permission was created.")
    PERMISSION_CHANGED = success("permission.changed", "A permission was changed.")
    PERMISSION_DELETED = success("permission.deleted", "A permission was deleted from all roles.")


class ServiceAccounts:
    """Service accounts and their API keys."""

    CREATED = success("service_account.created", "A service account was created.")
    CHANGED = success("service_account.changed", "A service account was changed; see details.")
    DELETED = success("service_account.deleted", "A service account and its keys were deleted.")
    KEY_CREATED = success("api_key.created", "An API key was created; see details.")
    KEY_REVOKED = success("api_key.revoked", "An API key was revoked.")
    KEY_REJECTED = failure(
        "api_key.rejected", "API keys of a network were rejected, details.count times; see code."
    )
    EXPIRY_ANNOUNCED = success(
        "api_key.expiry_announced", "The owner was notified that an API key expires soon."
    )


class Hooks:
    """Webhooks and blocking hooks."""

    CREATED = success("hook.created", "A hook was created.")
    CHANGED = success("hook.changed", "A hook was changed; see details.fields.")
    DELETED = success("hook.deleted", "A hook was deleted; nothing is sent to it any more.")
    DENIED = failure("hook.denied", "A blocking hook denied a sign-up or a login.")
    FAILED = failure(
        "hook.failed", "A blocking hook gave no usable answer; see details for what was decided."
    )
    SECRET_ROTATED = success("hook.secret_rotated", "The signing secret of a hook was replaced.")
    TESTED = success("hook.tested", "A test event was sent to a webhook.")
    REPLAYED = success(
        "hook.replayed", "Events are delivered to a webhook again; see details.count."
    )
    PAUSED = failure("hook.paused", "A webhook was paused: it had failed for a day; see details.")
    GONE = failure("hook.gone", "A webhook was disabled: its receiver answered 410 Gone.")
    DELIVERY_ABANDONED = failure(
        "hook.delivery_abandoned", "An event was not delivered to a webhook; no more retries."
    )


class Impersonation:
    """Administrators who act as a user; the actor is the administrator, the user is `user_id`."""

    STARTED = success(
        "impersonation.started", "An administrator began to act as a user; see details.reason."
    )
    REFUSED = failure(
        "impersonation.refused", "An administrator tried to do what only the user may."
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
    PROFILE_SCHEMA_CHANGED = success(
        "profile_schema.changed", "The attributes that users can have were declared anew."
    )
    ERASED = success("user.erased", "The data of a deleted user was erased; this log stays.")
    AUDIT_PURGED = success(
        "audit.purged", "Events older than details.before were deleted from the audit log."
    )
    DATABASE_RESTORED = success(
        "database.restored", "A backup was restored; all sessions ended and all keys were replaced."
    )


GROUPS = (Authorization, ServiceAccounts, Hooks, Administration, Impersonation)
