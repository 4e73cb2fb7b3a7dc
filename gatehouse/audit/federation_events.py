"""Audit events of sign-ins with identity providers."""

from gatehouse.audit.event import failure, success


class Federation:
    """Sign-ins with identity providers, and the identities there that users have linked."""

    FAILED = failure(
        "federation.failed", "The answer of an identity provider was not valid; see details.reason."
    )
    DENIED = failure(
        "federation.denied", "An identity provider, or the user there, denied a sign-in."
    )
    UNAVAILABLE = failure(
        "federation.unavailable", "An identity provider did not answer; see details.reason."
    )
    REFUSED = failure(
        "federation.refused",
        "An identity was authenticated, but cannot be used to sign in; see details.reason.",
    )
    REGISTERED = success(
        "federation.registered", "An account was created at the first sign-in with a provider."
    )
    LINKED = success("identity.linked", "An identity at a provider was linked to an account.")
    UNLINKED = success("identity.unlinked", "An identity at a provider was unlinked.")


GROUPS = (Federation,)
