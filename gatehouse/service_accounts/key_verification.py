"""Verify API keys, from memory, and count their uses, also the rejected ones."""

from functools import partial
from ipaddress import ip_address

from gatehouse.authorization import api_keys, delegation
from gatehouse.authorization.errors import Forbidden
from gatehouse.core import clock, crypto
from gatehouse.database.session import check_before_writes
from gatehouse.service_accounts import key_format, key_memory, key_usage
from gatehouse.service_accounts.errors import (
    ApiKeyDisabled,
    ApiKeyExpired,
    ApiKeyInvalid,
    ApiKeyNetwork,
    ApiKeyRejected,
    ApiKeyRevoked,
)
from gatehouse.service_accounts.key_memory import KnownKey
from gatehouse.web import rate_limits
from gatehouse.web.request_context import RequestContext

REJECTIONS = (ApiKeyInvalid, ApiKeyRevoked, ApiKeyExpired, ApiKeyDisabled, ApiKeyNetwork)
"""Why a key can be rejected."""


def verify_key(encoded: str, context: RequestContext) -> KnownKey:
    """Return the API key of a request, without a query.

    Keys have 256 random bits, so one SHA-256 suffices: there is nothing to guess that a slow hash
    would protect.

    Raises:
        ApiKeyRejected: it cannot be used; the subclass says why.
        ServiceUnavailable: the keys were last read more than 5 seconds ago.
    """
    keys = key_memory.current_memory().keys
    is_well_formed = key_format.has_valid_checksum(encoded)
    key = keys.get(crypto.digest(encoded)) if is_well_formed else None
    try:
        usable = _require_usable(key, context.ip_address)
    except ApiKeyRejected as error:
        key_usage.record_rejection(error, key, context)
        raise
    key_usage.record_use(usable)
    return usable


def verify_limited(encoded: str, context: RequestContext) -> KnownKey:
    """Return the API key of a request for administration; keys that do not exist are counted.

    Raises:
        ApiKeyRejected: it cannot be used.
        RateLimited: it does not exist, like too many that the client's network sent before.
    """
    try:
        return verify_key(encoded, context)
    except ApiKeyInvalid:
        rate_limits.require_quota("api_key")
        rate_limits.count_hit("api_key")
        raise


def check_key_before_writes(key: KnownKey, permission: str) -> None:
    """Begin each write by checking again, in its transaction, that the key may do this."""
    check_before_writes(partial(_require_permission, key, permission))


def _require_permission(key: KnownKey, permission: str) -> None:
    """Require that the key has the permission in the database; changes of keys wait meanwhile."""
    delegation.lock_administration()
    rights = api_keys.get_rights(key.actor)
    if rights.last_until <= clock.now():
        raise ApiKeyRevoked
    if permission not in rights.permissions:
        raise Forbidden(permission=permission)


def _require_usable(key: KnownKey | None, client: str) -> KnownKey:
    if key is None:
        raise ApiKeyInvalid
    if key.is_revoked:
        raise ApiKeyRevoked
    if key.expires_at <= clock.now():
        raise ApiKeyExpired
    if not key.is_enabled:
        raise ApiKeyDisabled
    if not _is_in_networks(client, key):
        raise ApiKeyNetwork
    return key


def _is_in_networks(client: str, key: KnownKey) -> bool:
    return not key.networks or (
        bool(client) and any(ip_address(client) in network for network in key.networks)
    )
