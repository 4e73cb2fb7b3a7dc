"""`flask permissions`: the permissions that roles can grant."""

import click

from gatehouse.authorization import catalog, definitions
from gatehouse.authorization.catalog import PermissionDefinition
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.user_lookup import as_json, confirmed, to_json
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


@permissions.command("create")
@click.argument("name")
@click.argument("description")
@click.option("--audience", help="Of the tokens that contain it; by default our own.")
def create_permission(name: str, description: str, audience: str | None) -> None:
    """Create a permission of an application, such as orders:refund."""
    definitions.create_permission(PermissionDefinition(name, description, audience), NO_REQUEST)
    db.session.commit()
    click.echo(f"The permission {name} is created.")


@permissions.command("delete")
@click.argument("name")
@confirmed("Delete the permission, also from all roles that grant it?")
def delete_permission(name: str) -> None:
    """Delete a permission."""
    definitions.delete_permission(name, NO_REQUEST)
    db.session.commit()
    click.echo(f"The permission {name} is deleted.")
