"""`flask roles`: define roles and assign them, as the operators' API does."""

from datetime import datetime

import click

from gatehouse.authorization import assignments, catalog, definitions
from gatehouse.authorization.assignments import Assignment
from gatehouse.authorization.definitions import RoleChange
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.user_changes import parse_end
from gatehouse.cli.user_lookup import as_json, confirmed, find_user_id, reason_option, to_json
from gatehouse.database.session import db
from gatehouse.web.request_context import NO_REQUEST

roles = DatabaseGroup("roles", help="Roles and who has them.")
granted = click.option("--permission", "permissions", multiple=True, help="It grants; repeatable.")
contained = click.option("--parent", "parents", multiple=True, help="It contains; repeatable.")


@roles.command("list")
@as_json
def list_roles(as_json: bool) -> None:
    """List the roles and all that they grant."""
    known = catalog.read_catalog()
    found = {name: sorted(known.permissions_of([name])) for name in sorted(known.roles)}
    lines = [f"{name:20} {' '.join(granted)}".rstrip() for name, granted in found.items()]
    click.echo(to_json(found) if as_json else "\n".join(lines))


@roles.command("create")
@click.argument("name")
@click.argument("description")
@granted
@contained
def create_role(
    name: str, description: str, permissions: tuple[str, ...], parents: tuple[str, ...]
) -> None:
    """Create a role."""
    change = RoleChange(description, frozenset(permissions), frozenset(parents))
    definitions.create_role(name, change, NO_REQUEST)
    db.session.commit()
    click.echo(f"The role {name} is created.")


@roles.command("delete")
@click.argument("name")
@confirmed("Delete the role, also for all users who have it?")
def delete_role(name: str) -> None:
    """Delete a role."""
    definitions.delete_role(name, NO_REQUEST)
    db.session.commit()
    click.echo(f"The role {name} is deleted.")


@roles.command("assign")
@click.argument("identifier")
@click.argument("role")
@click.option("--until", callback=parse_end, help="When the assignment expires (UTC).")
@reason_option
def assign_role(identifier: str, role: str, until: datetime | None, reason: str | None) -> None:
    """Assign a role to a user; repeat it to change the end or the reason."""
    wanted = Assignment(role, until, reason)
    assignments.assign(find_user_id(identifier), wanted, NO_REQUEST)
    db.session.commit()
    click.echo(f"{identifier} has the role {role}.")


@roles.command("unassign")
@click.argument("identifier")
@click.argument("role")
def unassign_role(identifier: str, role: str) -> None:
    """Take a role away from a user."""
    assignments.unassign(find_user_id(identifier), role, NO_REQUEST)
    db.session.commit()
    click.echo(f"{identifier} does not have the role {role} any more.")
