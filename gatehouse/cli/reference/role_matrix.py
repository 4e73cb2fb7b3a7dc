"""Generate `docs/role-matrix.md`: which role may use which operation of the OpenAPI document."""

from collections.abc import Iterator
from typing import Any

from flask import current_app

from gatehouse.authorization.permissions import ADMIN, BUILT_IN_ROLES, DECLARED

OPENING = """# Roles and operations

Generated from the OpenAPI document by `flask docs build`; a test sends each of these requests.

**anyone** needs no token. **user** is every signed-in user, for their own account only. Operations
with a permission also need a second factor and a sign-in in the last ten minutes; they are open to
roles that grant the permission, and to roles of your own that do (see [roles](roles.md)). An [API
key](api-keys.md) with the permission needs neither.

"""
ANYONE, OWN = "anyone", "user"
METHODS = ("get", "post", "put", "patch", "delete")


def render_page() -> str:
    """Return the page in Markdown."""
    roles = (ANYONE, *BUILT_IN_ROLES)
    head = f"| Operation | Permission | {' | '.join(roles)} |\n{'|---' * (2 + len(roles))}|\n"
    return OPENING + head + "".join(_row(*one) for one in list_operations())


def list_operations() -> Iterator[tuple[str, str | None, bool]]:
    """Yield each operation, its permission, and whether it needs a token; without `/dev`."""
    document = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"].document()
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item and not path.startswith("/dev/"):
                yield f"{method.upper()} {path}", *_read_access(item[method])


def is_allowed(role: str, permission: str | None, needs_token: bool) -> bool:
    """Return whether a role may use an operation."""
    if permission is None:
        return not needs_token or role != ANYONE
    return role == ADMIN or role in DECLARED[permission].roles


def _read_access(operation: dict[str, Any]) -> tuple[str | None, bool]:
    schemes = operation.get("security") or [{}]
    return operation.get("x-permission"), {} not in schemes


def _row(operation: str, permission: str | None, needs_token: bool) -> str:
    marks = (
        "yes" if is_allowed(role, permission, needs_token) else ""
        for role in (ANYONE, *BUILT_IN_ROLES)
    )
    name = f"`{permission}`" if permission else ""
    return f"| `{operation}` | {name} | {' | '.join(marks)} |\n"
