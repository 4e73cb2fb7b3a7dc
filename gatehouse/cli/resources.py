"""`gatehouse resources`: the APIs that applications get access tokens for."""

import click
from sqlalchemy import select

from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, confirmed
from gatehouse.cli.output import commit_deletion, to_json, to_lines
from gatehouse.cli.pages import PageOptions, echo_next_page, paged, to_json_page
from gatehouse.cli.user_lookup import load_form
from gatehouse.database.session import db
from gatehouse.oauth import resources as registered
from gatehouse.oauth.resource_forms import NewResource, ResourceUpdate
from gatehouse.web.request_context import NO_REQUEST
from models import OAuthResource

resources = DatabaseGroup("resources", help="APIs that applications get access tokens for.")
RESOURCE_HELP = "RESOURCE is the audience or id of an API."
scopes_option = click.option(
    "--scope", "scopes", multiple=True, help="NAME=SENTENCE, for the consent page; repeatable."
)


@resources.command("list")
@paged("resources")
@as_json
def list_resources(page: PageOptions, as_json: bool) -> None:
    """List the APIs, the newest first."""
    rows, following = registered.list_resources(page.limit, page.after)
    next_cursor = page.encode_cursor(following)
    if as_json:
        items = [registered.serialize_resource(row) for row in rows]
        click.echo(to_json_page(items, next_cursor))
        return
    for row in rows:
        click.echo(f"{row.audience:40} {row.name}: {' '.join(row.scopes)}".rstrip())
    echo_next_page(next_cursor)


@resources.command("show", epilog=RESOURCE_HELP)
@click.argument("resource")
@as_json
def show_resource(resource: str, as_json: bool) -> None:
    """Show an API, and what its scopes allow."""
    item = registered.serialize_resource(find_resource(resource))
    click.echo(to_json(item) if as_json else "\n".join(to_lines(item)))


@resources.command("create")
@click.argument("audience")
@click.argument("name")
@scopes_option
@as_json
def create_resource(audience: str, name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Register an API by its audience, an absolute URI."""
    members = {"audience": audience, "name": name, "scopes": parse_scopes(scopes)}
    form = load_form(NewResource(), members)
    row = registered.create_resource(form.audience, form.change, NO_REQUEST)
    _commit_and_report(f"The API {audience} is registered.", row, as_json)


@resources.command("change", epilog=RESOURCE_HELP)
@click.argument("resource")
@click.option("--name")
@scopes_option
@as_json
def change_resource(
    resource: str, name: str | None, scopes: tuple[str, ...], as_json: bool
) -> None:
    """Change an API; --scope replaces all its scopes."""
    members = {"name": name, "scopes": parse_scopes(scopes) or None}
    given = {key: value for key, value in members.items() if value is not None}
    change = load_form(ResourceUpdate(), given)
    row = registered.change_resource(find_resource(resource).id, change, NO_REQUEST)
    _commit_and_report(f"The API {row.audience} is changed.", row, as_json)


@resources.command("delete", epilog=RESOURCE_HELP)
@click.argument("resource")
@confirmed("Delete the API?")
@as_json
def delete_resource(resource: str, as_json: bool) -> None:
    """Delete an API that no application is registered for; --json prints nothing."""
    registered.delete_resource(find_resource(resource).id, NO_REQUEST)
    commit_deletion(f"The API {resource} is deleted.", as_json)


def find_resource(audience_or_id: str) -> OAuthResource:
    """Return a resource by its audience or id.

    Raises:
        ClickException: there is none.
    """
    found = registered.find_resource(audience_or_id)
    for row in () if found else db.session.scalars(select(OAuthResource)):
        found = row if str(row.id) == audience_or_id else found
    if found is None:
        raise click.ClickException(f"There is no API {audience_or_id}.")
    return found


def parse_scopes(values: tuple[str, ...]) -> dict[str, str]:
    """Parse scopes of the form NAME=SENTENCE."""
    pairs = [one.partition("=") for one in values]
    if not all(separator for _, separator, _ in pairs):
        raise click.UsageError("Write a scope as NAME=SENTENCE.")
    return {name: sentence for name, _, sentence in pairs}


def _commit_and_report(sentence: str, row: OAuthResource, as_json: bool) -> None:
    db.session.commit()
    click.echo(to_json(registered.serialize_resource(row)) if as_json else sentence)
