"""`flask permissions`: the permissions that roles can grant."""

import click

import config
from gatehouse.authorization import catalog, definitions
from gatehouse.authorization.catalog import PermissionDefinition
from gatehouse.authorization.definitions import PermissionChange
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, confirmed
from gatehouse.cli.output import to_json, to_lines
from gatehouse.core.errors import NotFound
from gatehouse.database.session import db
from gatehouse.web.request_context import NO_REQUEST

permissions = DatabaseGroup("permissions", help="Permissions that roles can grant.")


@permissions.command("list")
@as_json
def list_permissions(as_json: bool) -> None:
    """List the permissions."""
    known = catalog.read_catalog().permissions
    found = {name: known[name].description for name in sorted(known)}
    lines = [f"{name:26} {description}" for name, description in found.items()]
    click.echo(to_json(found) if as_json else "\n".join(lines))


@permissions.command("show")
@click.argument("name")
@as_json
def show_permission(name: str, as_json: bool) -> None:
    """Show a permission, and the roles that grant it."""
    found = _describe(name)
    click.echo(to_json(found) if as_json else "\n".join(to_lines(found)))


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
def delete_permission(name: str) -> None:
    """Delete a permission."""
    definitions.delete_permission(name, NO_REQUEST)
    db.session.commit()
    click.echo(f"The permission {name} is deleted.")


def _describe(name: str) -> dict[str, object]:
    known = catalog.read_catalog()
    permission = known.permissions.get(name)
    if permission is None:
        raise NotFound(f"There is no permission {name}; `flask permissions list` lists them.")
    return {
        "name": name,
        "description": permission.description,
        "audience": permission.audience or config.settings().audience,
        "built_in": permission.built_in,
        "roles": [role for role in sorted(known.roles) if name in known.permissions_of([role])],
    }
