"""Audit events of the authorization server: see `events` for those of users."""

from gatehouse.audit.event import failure, success


class OAuth:
    """Applications that users sign in to, and what these may do."""

    AUTHORIZED = success("grant.authorized", "A user signed in to an application; see details.")
    GRANT_ENDED = success("grant.ended", "The access of an application to a user ended.")
    CODE_REUSED = failure(
        "grant.code_reused", "An authorization code was used again, so its tokens were revoked."
    )


class Clients:
    """The applications themselves, and the APIs that they get access tokens for."""

    REJECTED = failure(
        "client.rejected", "An application could not authenticate; see details.reason."
    )


GROUPS = (OAuth, Clients)
