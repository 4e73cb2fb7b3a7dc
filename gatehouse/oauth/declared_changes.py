"""Apply declared clients and resources: all of them in one transaction, or none.

What a file leaves out has the default of the client's kind. Clients and resources that it does not
name stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from gatehouse.core.errors import ValidationFailed, reject_field
from gatehouse.database.session import db, write_transaction
from gatehouse.oauth import client_definitions, client_secrets, resources
from gatehouse.oauth.client_declarations import (
    Declarations,
    DeclaredClient,
    Errors,
    collecting,
)
from gatehouse.oauth.client_forms import NewClientForm
from gatehouse.oauth.client_metadata import FIELDS, ClientChange, default_values
from gatehouse.oauth.resource_forms import NewResourceForm
from gatehouse.web.request_context import RequestContext
from models import OAuthClient

CREATED, CHANGED, UNCHANGED = "created", "changed", "unchanged"
KEPT = {"sector"}
"""What a file may leave out without a change: it was derived when the client was registered."""
Values = Mapping[str, object]


@dataclass(frozen=True)
class Difference:
    """What a declaration changes, or has changed."""

    kind: str
    """`client` or `resource`."""
    id: str
    action: str
    changes: Mapping[str, Sequence[object]] = field(default_factory=dict)
    """The values before and after, by field."""
    secret: str | None = None
    """Whether a secret was `created` or is `unchanged`; None if the file refers to none."""


def apply_declarations(declared: Declarations, context: RequestContext) -> list[Difference]:
    """Create or change what is declared, in the write transaction; return what is different.

    Raises:
        ValidationFailed: something is not allowed; each error has a path. Roll back.
    """
    errors: Errors = {}
    found: list[Difference] = []
    with write_transaction():
        for resource in declared.resources:
            with collecting(errors, f"resources.{resource.audience}"), db.session.begin_nested():
                found.append(_apply_resource(resource, context))
        for client in declared.clients:
            with collecting(errors, f"clients.{client.form.client_id}"), db.session.begin_nested():
                found.append(_apply_client(client, context))
    if errors:
        raise ValidationFailed(errors)
    return found


def _apply_resource(declared: NewResourceForm, context: RequestContext) -> Difference:
    resource = resources.find_resource(declared.audience)
    before = {"name": resource.name, "scopes": resource.scopes} if resource else {}
    change = resources.ResourceChange(declared.change.name, declared.change.scopes or {})
    changes = _compare(before, {"name": change.name, "scopes": dict(change.scopes or {})})
    if resource is None:
        resources.create_resource(declared.audience, change, context)
    elif changes:
        resources.change_resource(resource.id, change, context)
    return Difference("resource", declared.audience, _name_action(before, changes), changes)


def _apply_client(declared: DeclaredClient, context: RequestContext) -> Difference:
    form = declared.form
    before = _read(form.client_id)
    if before:
        _change_client(form, before, context)
    else:
        client_definitions.create_client(form.client_id, form.kind, form.change, context)
    changes = _compare(before, _read(form.client_id))
    action, secret = _name_action(before, changes), _apply_secret(declared, context)
    return Difference("client", form.client_id, action, changes, secret)


def _change_client(form: NewClientForm, before: Values, context: RequestContext) -> None:
    """Set all members of a client, so that those which the file leaves out get their defaults."""
    if before["kind"] != form.kind:
        message = f"It is registered as {before['kind']}: delete it first, or choose another id."
        reject_field("kind", "not_changeable", message)
    defaults = {name: one for name, one in default_values(form.kind).items() if name not in KEPT}
    values = defaults | form.change.values
    cleared = frozenset(name for name, value in values.items() if value is None)
    given = {name: value for name, value in values.items() if value is not None}
    change = ClientChange(**given, cleared=cleared)
    client_definitions.change_client(form.client_id, change, context)


def _apply_secret(declared: DeclaredClient, context: RequestContext) -> str | None:
    if declared.secret is None:
        return None
    client = client_definitions.get_client(declared.form.client_id)
    is_new = client_secrets.import_secret(client, declared.secret, context)
    return CREATED if is_new else UNCHANGED


def _read(client_id: str) -> Values:
    """Return what a client is registered with; nothing if it does not exist."""
    client = db.session.scalar(select(OAuthClient).where(OAuthClient.id == client_id))
    if client is None:
        return {}
    serialized = client_definitions.serialize_client(client)
    return {name: serialized[name] for name in ("kind", *FIELDS)}


def _compare(before: Values, after: Values) -> dict[str, Sequence[object]]:
    """Return the values that differ; of a new object those that it has."""
    pairs = {name: [before.get(name), value] for name, value in after.items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _name_action(before: Values, changes: Values) -> str:
    return CREATED if not before else CHANGED if changes else UNCHANGED
