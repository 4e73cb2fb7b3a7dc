"""Audit events of administration: see `events` for those of users."""

from gatehouse.audit.event import failure


class Authorization:
    """Permissions."""

    DENIED = failure(
        "authorization.denied", "A request was rejected: its user lacks the permission for it."
    )
