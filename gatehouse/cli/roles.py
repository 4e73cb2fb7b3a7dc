"""`gatehouse roles`: define roles and assign them, as the operators' API does."""

from typing import Any

import click

from gatehouse.authorization import assignments, catalog, definitions
from gatehouse.authorization.assignments import Assignment
from gatehouse.authorization.definitions import RoleChange
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, confirmed, parse_end, reason_option
from gatehouse.cli.output import commit_deletion, to_json, to_lines
from gatehouse.cli.pages import to_json_page
from gatehouse.cli.user_lookup import find_user_id
from gatehouse.core.errors import NotFound
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
    found = [known.describe_role(name) for name in sorted(known.roles)]
    lines = [f"{one['name']:20} {' '.join(one['all_permissions'])}".rstrip() for one in found]
    click.echo(to_json_page(found) if as_json else "\n".join(lines))


@roles.command("show")
@click.argument("name")
@as_json
def show_role(name: str, as_json: bool) -> None:
    """Show a role: what it grants and contains, and all permissions that follow."""
    role = _describe(name)
    click.echo(to_json(role) if as_json else "\n".join(to_lines(role)))


@roles.command("create")
@click.argument("name")
@click.argument("description")
@granted
@contained
@as_json
def create_role(name: str, description: str, as_json: bool, **lists: tuple[str, ...]) -> None:
    """Create a role."""
    definitions.create_role(name, _build_change(description, lists), NO_REQUEST)
    _commit_and_report(f"The role {name} is created.", name, as_json)


@roles.command("change")
@click.argument("name")
@click.option("--description", help="Replaces the description.")
@granted
@contained
@click.option("--no-permissions", is_flag=True, help="It grants none of its own any more.")
@click.option("--no-parents", is_flag=True, help="It contains no other role any more.")
@as_json
def change_role(name: str, description: str | None, as_json: bool, **lists: object) -> None:
    """Change a role: the permissions, or parents, that you give replace all that it has."""
    change = _build_change(description, _given_lists(lists))
    if change == RoleChange():
        raise click.UsageError("Give at least one option to change.")
    definitions.change_role(name, change, NO_REQUEST)
    _commit_and_report(f"The role {name} is changed.", name, as_json)


@roles.command("delete")
@click.argument("name")
@confirmed("Delete the role, also for all users who have it?")
@as_json
def delete_role(name: str, as_json: bool) -> None:
    """Delete a role; --json prints nothing."""
    definitions.delete_role(name, NO_REQUEST)
    commit_deletion(f"The role {name} is deleted.", as_json)


@roles.command("assign")
@click.argument("identifier")
@click.argument("role")
@click.option("--until", callback=parse_end, help="When the assignment expires (UTC).")
@reason_option
@as_json
def assign_role(identifier: str, role: str, as_json: bool, **options: Any) -> None:
    """Assign a role to a user; repeat it to change the end or the reason."""
    user_id = find_user_id(identifier)
    wanted = Assignment(role, options["until"], options["reason"])
    assignments.assign(user_id, wanted, NO_REQUEST)
    db.session.commit()
    sentence = f"{identifier} has the role {role}."
    click.echo(to_json(assignments.describe_roles(user_id)) if as_json else sentence)


@roles.command("unassign")
@click.argument("identifier")
@click.argument("role")
@as_json
def unassign_role(identifier: str, role: str, as_json: bool) -> None:
    """Take a role away from a user."""
    user_id = find_user_id(identifier)
    assignments.unassign(user_id, role, NO_REQUEST)
    db.session.commit()
    sentence = f"{identifier} does not have the role {role} any more."
    click.echo(to_json(assignments.describe_roles(user_id)) if as_json else sentence)


@roles.command("assigned")
@click.argument("identifier")
@as_json
def list_assigned(identifier: str, as_json: bool) -> None:
    """List the roles of a user, besides `user`, which every user has."""
    found = assignments.describe_roles(find_user_id(identifier))
    lines = [line for one in found["roles"] for line in (*to_lines(one), "")]
    click.echo(to_json(found) if as_json else "\n".join(lines or ["No roles."]).rstrip())


def _given_lists(lists: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the lists to replace: those that were given, and those that are to be empty."""
    names = [name for name in ("permissions", "parents") if lists[name] or lists[f"no_{name}"]]
    for name in names:
        if lists[name] and lists[f"no_{name}"]:
            raise click.UsageError(f"Give {name}, or --no-{name}.")
    return {name: lists[name] for name in names}


def _build_change(description: str | None, lists: dict[str, tuple[str, ...]]) -> RoleChange:
    return RoleChange(description, **{name: frozenset(listed) for name, listed in lists.items()})


def _describe(name: str) -> dict[str, Any]:
    known = catalog.read_catalog()
    if name not in known.roles:
        raise NotFound(f"There is no role {name}; `gatehouse roles list` lists them.")
    return known.describe_role(name)


def _commit_and_report(sentence: str, name: str, as_json: bool) -> None:
    db.session.commit()
    click.echo(to_json(_describe(name)) if as_json else sentence)
