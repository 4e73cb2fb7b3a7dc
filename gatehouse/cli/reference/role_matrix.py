"""Generate `docs/role-matrix.md`: which role may use which operation of the OpenAPI document."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import current_app

from gatehouse.authorization.permissions import ADMIN, BUILT_IN_ROLES, DECLARED
from gatehouse.web.openapi_operations import API_KEY

OPENING = """# Roles and operations

Generated from the OpenAPI document by `gatehouse docs build`; a test sends each of these requests.

**anyone** needs no token. **user** is every signed-in user, for their own account only. Operations
with a permission also need a second factor and a sign-in in the last ten minutes; they are open to
roles that grant the permission, and to roles of your own that do (see [roles](roles.md)). **API
key** is one of a [service account](api-keys.md) that has the permission; it needs neither.
**impersonator** is an administrator who [acts as a user](administration.md#act-as-a-user).

Changes of a user (`{user_id}`) end at users with permissions that the caller lacks, and no one but
an `admin` changes their own roles. Objects of other users (`/auth/...{id}`) are not found.

"""
ANYONE, KEY, IMPERSONATOR = "anyone", "API key", "impersonator"
COLUMNS = (ANYONE, *BUILT_IN_ROLES, KEY, IMPERSONATOR)
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """An operation of the OpenAPI document, and who may use it."""

    name: str
    permission: str | None
    needs_token: bool
    allows_keys: bool
    allows_impersonators: bool


def render_page() -> str:
    """Return the page in Markdown."""
    head = f"| Operation | Permission | {' | '.join(COLUMNS)} |\n{'|---' * (2 + len(COLUMNS))}|\n"
    return OPENING + head + "".join(_row(one) for one in list_operations())


def list_operations() -> Iterator[Operation]:
    """Yield the operations of the OpenAPI document, without `/dev`."""
    document = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"].document()
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item and not path.startswith("/dev/"):
                yield _read_operation(method.upper(), path, item[method])


def is_allowed(role: str, operation: Operation) -> bool:
    """Return whether a role, `anyone`, a key or an `impersonator` may use an operation."""
    if role == KEY:
        return operation.allows_keys
    if role == IMPERSONATOR:
        return operation.allows_impersonators
    if operation.permission is None:
        return not operation.needs_token or role != ANYONE
    return role == ADMIN or role in DECLARED[operation.permission].roles


def _read_operation(method: str, path: str, documented: dict[str, Any]) -> Operation:
    schemes = documented.get("security") or [{}]
    permission, needs_token = documented.get("x-permission"), {} not in schemes
    is_anonymous = schemes == [{}]
    reads = method == "GET" and permission is None and "x-needs-recent-sign-in" not in documented
    allows = is_anonymous or reads or "x-allowed-to-impersonators" in documented
    allows_keys = is_anonymous or {API_KEY: []} in schemes
    return Operation(f"{method} {path}", permission, needs_token, allows_keys, allows)


def _row(operation: Operation) -> str:
    marks = ("yes" if is_allowed(role, operation) else "" for role in COLUMNS)
    permission = f"`{operation.permission}`" if operation.permission else ""
    return f"| `{operation.name}` | {permission} | {' | '.join(marks)} |\n"
