"""Permissions: which ones roles grant. The `scope` of an access token is filled from here."""

from collections.abc import Iterable, Mapping

BUILT_IN: Mapping[str, frozenset[str]] = {"user": frozenset(), "admin": frozenset()}
"""The permissions of each built-in role. There are none until the administration's routes exist."""


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """Return the permissions that any of the roles grants; an unknown role grants none."""
    return frozenset().union(*(BUILT_IN.get(role, frozenset()) for role in roles))


def scope_of(roles: Iterable[str]) -> str:
    """Return the permissions of the roles as a `scope` (RFC 6749 section 3.3), sorted."""
    return " ".join(sorted(permissions_of(roles)))
