"""Audit events of the authorization server: see `events` for those of users."""

from gatehouse.audit.event import failure, success


class OAuth:
    """Applications that users sign in to, and what these may do."""

    AUTHORIZED = success("grant.authorized", "A user signed in to an application; see details.")
    GRANT_ENDED = success("grant.ended", "The access of an application to a user ended.")
    CODE_REUSED = failure(
        "grant.code_reused", "An authorization code was used again, so its tokens were revoked."
    )
    ACCESS_REVOKED = success(
        "grant.revoked", "The access of an application to a user was revoked; see details."
    )
    REDEEMED = success("grant.redeemed", "An application exchanged its code for tokens.")
    REFRESHED = success("grant.refreshed", "An application exchanged its refresh token.")
    TOKEN_REUSED = failure(
        "grant.token_reused", "A used refresh token was presented, so its grant was ended."
    )
    LOGOUT_ABANDONED = failure(
        "client.logout_abandoned",
        "An application could not be notified that a user signed out; see details.",
    )


class Clients:
    """The applications themselves, and the APIs that they get access tokens for."""

    CREATED = success("client.created", "An application was registered.")
    CHANGED = success("client.changed", "An application was changed; see details.fields.")
    DELETED = success("client.deleted", "An application was deleted; its access to users ended.")
    SECRET_CREATED = success("client.secret_created", "An application got a new secret.")
    SECRET_REVOKED = success("client.secret_revoked", "A secret of an application was revoked.")
    SECRET_EXPIRY_ANNOUNCED = success(
        "client.secret_expiry_announced",
        "Administrators were notified that a secret of an application expires soon.",
    )
    REJECTED = failure(
        "client.rejected", "An application could not authenticate; see details.reason."
    )
    RESOURCE_CREATED = success("resource.created", "An API was registered for access tokens.")
    RESOURCE_CHANGED = success("resource.changed", "A registered API was changed.")
    RESOURCE_DELETED = success("resource.deleted", "A registered API was deleted.")


GROUPS = (OAuth, Clients)
