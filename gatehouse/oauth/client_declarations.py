"""Read the TOML file that declares clients and resources.

Secrets are never in the file: it names an environment variable, or a file, that contains one.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from marshmallow import ValidationError

import config
from gatehouse.core.errors import ApiError, ValidationFailed, reject_field
from gatehouse.oauth.client_forms import NewClient, NewClientForm
from gatehouse.oauth.resource_forms import NewResource, NewResourceForm
from gatehouse.web.fields import Form, format_field_errors

SECRET = re.compile(r"[A-Za-z0-9._~-]{32,255}")
"""Long enough to be random, and the same in a form and in a URL."""
TABLES = ("clients", "resources")
Errors = dict[str, list[dict[str, str]]]


@dataclass(frozen=True, repr=False)
class DeclaredClient:
    """A client of the file, and its secret, if the file refers to one."""

    form: NewClientForm
    secret: str | None = None


@dataclass(frozen=True)
class Declarations:
    """What a file declares."""

    resources: Sequence[NewResourceForm]
    clients: Sequence[DeclaredClient]


def parse_declarations(text: str) -> Declarations:
    """Return what a file declares.

    Raises:
        ValidationFailed: it is no TOML, or something in it is wrong; each error has a path.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        reject_field("file", "invalid", f"This is not valid TOML: {problem}")
    errors: Errors = {}
    for name in document.keys() - set(TABLES):
        with collecting(errors, name):
            reject_field("", "unknown_field", "Declare [clients.ID] and [resources.AUDIENCE] only.")
    clients = _parse_each(document.get("clients", {}), "clients", _parse_client, errors)
    resources = _parse_each(document.get("resources", {}), "resources", _parse_resource, errors)
    if errors:
        raise ValidationFailed(errors)
    return Declarations(resources, clients)


@contextmanager
def collecting(errors: Errors, path: str) -> Iterator[None]:
    """Collect the errors of one declaration by their paths, instead of raising them."""
    try:
        yield
    except ValidationFailed as problem:
        for name, found in problem.errors.items():
            errors[f"{path}.{name}".rstrip(".")] = found
    except ApiError as problem:
        errors[path] = [{"code": problem.code, "message": str(problem)}]


def _parse_each(
    declared: object, table: str, parse: Callable[[str, dict[str, Any]], Any], errors: Errors
) -> list[Any]:
    parsed = []
    for key, members in declared.items() if isinstance(declared, dict) else [("", declared)]:
        with collecting(errors, f"{table}.{key}".rstrip(".")):
            if not isinstance(members, dict):
                reject_field("", "invalid_type", f"Write a table such as [{table}.{key or 'x'}].")
            parsed.append(parse(key, dict(members)))
    return parsed


def _parse_resource(audience: str, members: dict[str, Any]) -> NewResourceForm:
    return cast(NewResourceForm, _load(NewResource(), members | {"audience": audience}))


def _parse_client(client_id: str, members: dict[str, Any]) -> DeclaredClient:
    variable, path = members.pop("secret_env", None), members.pop("secret_file", None)
    form = cast(NewClientForm, _load(NewClient(), members | {"client_id": client_id}))
    if variable is not None and path is not None:
        reject_field("secret_file", "invalid_combination", "Write secret_env or secret_file.")
    if variable is not None:
        found = config.environment_with().get(str(variable))
        return DeclaredClient(form, _require_secret("secret_env", found))
    if path is not None:
        return DeclaredClient(form, _require_secret("secret_file", _read_file(str(path))))
    return DeclaredClient(form)


def _load(form: Form, members: dict[str, Any]) -> object:
    try:
        return form.load(members)
    except ValidationError as problem:
        raise ValidationFailed(format_field_errors(problem.messages)) from None


def _read_file(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError):
        return None


def _require_secret(name: str, secret: str | None) -> str:
    if not secret:
        reject_field(name, "missing", "There is no secret where this refers to.")
    if not SECRET.fullmatch(secret):
        message = "A secret has 32 to 255 random letters, digits, dots, ~, - and _."
        reject_field(name, "invalid", message)
    return secret
