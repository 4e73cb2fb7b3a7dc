"""Permissions of our own API, and which built-in roles grant them.

Operators add those of their own applications as rows (see `catalog`).
"""

from dataclasses import dataclass

DEFAULT_ROLE, SUPPORT, AUDITOR, ADMIN = "user", "support", "auditor", "admin"
ROLE_NAME = r"[a-z][a-z0-9_-]{0,62}"
PERMISSION_NAME = r"(?!role:)[a-z][a-z0-9_.-]*(:[a-z0-9][a-z0-9_.-]*)+"
"""Names are scope-tokens (RFC 6749 section 3.3), and no permission looks like a role or a level."""
AUDIENCE = r"[\x21\x23-\x5b\x5d-\x7e]{1,255}"
BUILT_IN_ROLES = (DEFAULT_ROLE, SUPPORT, AUDITOR, ADMIN)
"""`admin` has every permission; every user has the role `user`, which has none."""


@dataclass(frozen=True)
class DeclaredPermission:
    """A permission of our own API, and the built-in roles that grant it, besides `admin`."""

    name: str
    description: str
    roles: tuple[str, ...]


DECLARED: dict[str, DeclaredPermission] = {}
"""The permissions of our own API, by name."""


def declare_permission(name: str, description: str, *roles: str) -> str:
    """Declare a permission of our own API, which these built-in roles and `admin` grant.

    Returns:
        Its name, for `requires`.
    """
    DECLARED[name] = DeclaredPermission(name, description, roles)
    return name


USERS_READ = declare_permission("users:read", "Search and read users.", SUPPORT, AUDITOR)
USERS_CONTACTS = declare_permission(
    "users:contacts", "See e-mail addresses and phone numbers in lists.", AUDITOR
)
USERS_WRITE = declare_permission("users:write", "Create, change and disable users.", SUPPORT)
USERS_DELETE = declare_permission("users:delete", "Delete and restore users.")
USERS_IMPERSONATE = declare_permission("users:impersonate", "Act as a user with fewer rights.")
ROLES_READ = declare_permission("roles:read", "Read roles and who has them.", SUPPORT, AUDITOR)
ROLES_WRITE = declare_permission("roles:write", "Change roles and assign them.")
SERVICE_ACCOUNTS_READ = declare_permission(
    "service-accounts:read", "Read service accounts.", AUDITOR
)
SERVICE_ACCOUNTS_WRITE = declare_permission(
    "service-accounts:write", "Create and change service accounts and their keys."
)
HOOKS_READ = declare_permission("hooks:read", "Read webhooks and blocking hooks.", AUDITOR)
HOOKS_WRITE = declare_permission("hooks:write", "Create and change webhooks and blocking hooks.")
CLIENTS_READ = declare_permission(
    "clients:read", "Read the registered applications and APIs.", AUDITOR
)
CLIENTS_MANAGE = declare_permission(
    "clients:manage", "Register applications and APIs, and change them and their secrets."
)
PROFILE_READ = declare_permission("profile:read", "Read the profile schema.", AUDITOR)
PROFILE_WRITE = declare_permission("profile:write", "Change the profile schema.")
AUDIT_READ = declare_permission("audit:read", "Search the audit log.", AUDITOR)
