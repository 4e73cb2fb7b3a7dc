"""`gatehouse permissions`: the permissions that roles can grant."""

import click

from gatehouse.authorization import catalog, definitions
from gatehouse.authorization.catalog import PermissionDefinition
from gatehouse.authorization.definitions import PermissionChange
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, confirmed
from gatehouse.cli.output import commit_deletion, to_json, to_lines
from gatehouse.cli.pages import to_json_page
from gatehouse.core.errors import NotFound
from gatehouse.database.session import db
from gatehouse.web.request_context import NO_REQUEST

permissions = DatabaseGroup("permissions", help="Permissions that roles can grant.")


@permissions.command("list")
@as_json
def list_permissions(as_json: bool) -> None:
    """List the permissions."""
    known = catalog.read_catalog()
    found = [known.describe_permission(name) for name in sorted(known.permissions)]
    lines = [f"{one['name']:26} {one['description']}" for one in found]
    click.echo(to_json_page(found) if as_json else "\n".join(lines))


@permissions.command("show")
@click.argument("name")
@as_json
def show_permission(name: str, as_json: bool) -> None:
    """Show a permission, and the roles that grant it."""
    found = _describe(name)
    lines = to_lines(found | {"roles": _list_roles_with(name)})
    click.echo(to_json(found) if as_json else "\n".join(lines))


@permissions.command("change")
@click.argument("name")
@click.argument("description")
@as_json
def change_permission(name: str, description: str, as_json: bool) -> None:
    """Change the description of a permission."""
    definitions.change_permission(name, PermissionChange(description), NO_REQUEST)
    db.session.commit()
    sentence = f"The permission {name} is changed."
    click.echo(to_json(_describe(name)) if as_json else sentence)


@permissions.command("create")
@click.argument("name")
@click.argument("description")
@click.option("--audience", help="Of the tokens that contain it; by default our own.")
@as_json
def create_permission(name: str, description: str, audience: str | None, as_json: bool) -> None:
    """Create a permission of an application, such as orders:refund."""
    definitions.create_permission(PermissionDefinition(name, description, audience), NO_REQUEST)
    db.session.commit()
    sentence = f"The permission {name} is created."
    click.echo(to_json(_describe(name)) if as_json else sentence)


@permissions.command("delete")
@click.argument("name")
@confirmed("Delete the permission, also from all roles that grant it?")
@as_json
def delete_permission(name: str, as_json: bool) -> None:
    """Delete a permission; --json prints nothing."""
    definitions.delete_permission(name, NO_REQUEST)
    commit_deletion(f"The permission {name} is deleted.", as_json)


def _describe(name: str) -> dict[str, object]:
    known = catalog.read_catalog()
    if name not in known.permissions:
        raise NotFound(f"There is no permission {name}; `gatehouse permissions list` lists them.")
    return known.describe_permission(name)


def _list_roles_with(permission: str) -> list[str]:
    known = catalog.read_catalog()
    return [role for role in sorted(known.roles) if permission in known.permissions_of([role])]
