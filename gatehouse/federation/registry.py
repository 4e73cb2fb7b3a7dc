"""The providers of the running application: read from the operator's file, at the start."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from flask import Flask, current_app
from marshmallow import ValidationError

import config
from gatehouse.core import plugins
from gatehouse.core.errors import NotFound
from gatehouse.federation import metadata, outbound
from gatehouse.federation.openid import OpenIdPlugin
from gatehouse.federation.plugin import ProviderPlugin
from gatehouse.federation.provider import Declaration, Provider
from gatehouse.settings.parsers import NAME_PATTERN

PACKAGE = "gatehouse.federation.providers"
EXTENSION = "gatehouse.federation"
MAX_NAME_LENGTH = 32
FILES = ("client_secret", "signing_key")
"""Members whose value the declaration names a file of, as in `client_secret_file`."""
Table = dict[str, object]


class NativeNotSupported(NotFound):
    """Apps cannot send ID tokens of this provider."""


def set_up(app: Flask) -> None:
    """Read the file of providers.

    Raises:
        ConfigurationError: it cannot be used; with one sentence for each mistake.
    """
    settings = config.settings_of(app)
    outbound.set_up(app)
    metadata.set_up(app)
    app.extensions[EXTENSION] = _read_file(settings) if settings.providers else {}


def list_providers() -> list[Provider]:
    """Return the providers in the order of the file."""
    return list(_providers().values())


def get_provider(name: str) -> Provider:
    """Return a provider by name.

    Raises:
        NotFound: there is none.
    """
    try:
        return _providers()[name]
    except KeyError:
        raise NotFound from None


def get_plugin(provider: Provider) -> ProviderPlugin:
    """Return the plugin of a provider."""
    return cast(ProviderPlugin, plugins.load(PACKAGE, [provider.kind])[provider.kind])


def get_native_plugin(provider: Provider) -> OpenIdPlugin:
    """Return the plugin of a provider whose ID tokens apps may send.

    Raises:
        NotFound: it has none, or the declaration names no app.
    """
    plugin = get_plugin(provider)
    if not isinstance(plugin, OpenIdPlugin) or not provider.native_client_ids:
        raise NativeNotSupported
    return plugin


def _providers() -> dict[str, Provider]:
    return cast(dict[str, Provider], current_app.extensions[EXTENSION])


def _read_file(settings: config.Settings) -> dict[str, Provider]:
    try:
        tables = tomllib.loads(Path(settings.providers).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise config.ConfigurationError("GATEHOUSE_PROVIDERS cannot be read.") from None
    except tomllib.TOMLDecodeError as error:
        raise config.ConfigurationError(f"GATEHOUSE_PROVIDERS is not TOML: {error}.") from None
    secrets = settings.provider_secrets or {}
    undeclared = sorted(secrets.keys() - tables.keys())
    problems = [f"GATEHOUSE_PROVIDER_SECRETS: {name} is not declared." for name in undeclared]
    found = {}
    for name, table in tables.items():
        try:
            found[name] = parse_provider(name, table, secrets)
        except ValueError as error:
            problems.append(f"GATEHOUSE_PROVIDERS, [{name}]: {error}.")
    if problems:
        raise config.ConfigurationError("\n".join(problems))
    return found


def parse_provider(name: str, table: object, secrets: Mapping[str, str]) -> Provider:
    """Return the provider of a table in the file.

    Raises:
        ValueError: it is not valid; the message says what is wrong.
    """
    if not isinstance(table, dict):
        raise ValueError("it must be a table")
    if not NAME_PATTERN.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise ValueError("the name must be lower case letters, digits, - and _, 32 at most")
    given = dict(table)
    kind = str(given.pop("kind", name))
    try:
        plugin = cast(ProviderPlugin, plugins.load(PACKAGE, [kind])[kind])
    except LookupError:
        known = ", ".join(plugins.list_names(PACKAGE))
        raise ValueError(f"kind must be one of {known}") from None
    complete = {**plugin.defaults, **_read_secrets(name, given, secrets)}
    complete.setdefault("label", name.title())
    return Provider(name=name, kind=kind, **_validate(plugin.complete_declaration(complete)))


def _read_secrets(name: str, table: Table, secrets: Mapping[str, str]) -> Table:
    """Return the table with the contents of the files that it names."""
    for member in FILES:
        if member in table:
            raise ValueError(f"{member} must not be in the file; name a file in {member}_file")
        path = table.pop(f"{member}_file", None)
        if path is not None:
            table[member] = _read_secret(f"{member}_file", path)
    if name in secrets:
        table.setdefault("client_secret", secrets[name])
    return table


def _read_secret(member: str, path: object) -> str:
    try:
        secret = Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        secret = ""
    if not secret:
        raise ValueError(f"{member} must name a readable text file")
    return secret


def _validate(table: Table) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = Declaration().load(table)
    except ValidationError as error:
        messages = error.messages if isinstance(error.messages, dict) else {}
        member = next(iter(messages))
        raise ValueError(f"{member}: {_first(messages[member])}".rstrip(".")) from None
    return loaded


def _first(messages: object) -> str:
    """Return the first message of a nested structure of them."""
    while isinstance(messages, dict | list):
        messages = next(iter(messages.values() if isinstance(messages, dict) else messages))
    return str(messages)
