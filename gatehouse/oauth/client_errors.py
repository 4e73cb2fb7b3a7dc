"""Errors of the registration of clients and resources."""

from gatehouse.core.errors import ApiError


class ClientExists(ApiError):
    """There is a client with this id."""

    status = 409
    code = "client_exists"
    next = "Choose another id, or change the client that there is."


class ClientHasGrants(ApiError):
    """Too many users are signed in to this client to delete it at once."""

    status = 409
    code = "client_has_grants"
    next = "Disable it first: its access to users ends within ten minutes. Then delete it."


class ClientHasNoSecrets(ApiError):
    """This client does not authenticate with a secret."""

    status = 409
    code = "client_has_no_secrets"
    next = "Change its authentication method first, to client_secret_basic."


class TooManySecrets(ApiError):
    """The client has two secrets already."""

    status = 409
    code = "too_many_secrets"
    next = "Revoke the one that is not used any more."


class SecretEnded(ApiError):
    """The secret has expired or was revoked, so it cannot be rotated."""

    status = 409
    code = "secret_ended"
    next = "Create a new secret."


class ResourceExists(ApiError):
    """There is a resource with this audience."""

    status = 409
    code = "resource_exists"
    next = "Change the resource that there is."


class ResourceInUse(ApiError):
    """Clients are registered for this resource, so it cannot be deleted."""

    status = 409
    code = "resource_in_use"
    next = "Take the resource from these clients first."
